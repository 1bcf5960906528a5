// The list of earlier conversations: open one, or delete it.

import { call } from "./api.js";

const list = document.getElementById("conversations");
const none = document.getElementById("no-conversations");

// `on` has opened(id), deleted(id) and failed(problem); `current` is the conversation on the screen.
export async function show(current, on) {
  const { conversations } = await call("GET", "v1/conversations");
  list.replaceChildren(...conversations.map((conversation) => entry(conversation, current, on)));
  none.hidden = conversations.length > 0;
}

function entry(conversation, current, on) {
  const id = conversation.conversation_id;
  const title = conversation.topic_summary || "Without a name";
  const item = document.createElement("li");
  if (id === current) item.setAttribute("aria-current", "true");
  const open = button(title, "open", () => on.opened(id));
  open.title = `${title}\n${new Date(conversation.last_message_at).toLocaleString()}`;
  const remove = button("✕", "delete", async () => {
    if (!confirm("Delete this conversation, and its records that have not left this host?")) return;
    try {
      await call("DELETE", `v1/conversations/${id}`);
    } catch (problem) {
      on.failed(problem);
      return;
    }
    (item.nextElementSibling ?? item.previousElementSibling)?.querySelector("button").focus();
    item.remove();
    none.hidden = list.children.length > 0;
    on.deleted(id);
  });
  remove.setAttribute("aria-label", `Delete ${title}`);
  item.append(open, remove);
  return item;
}

function button(text, name, onClick) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = name;
  made.textContent = text;
  made.addEventListener("click", onClick);
  return made;
}
