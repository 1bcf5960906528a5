// The list of earlier conversations: open one, or delete it.

import { call } from "./api.js";

const list = document.getElementById("conversations");
const none = document.getElementById("no-conversations");

export async function show(onOpen, onDeleted, onProblem) {
  const { conversations } = await call("GET", "v1/conversations");
  list.replaceChildren(...conversations.map((conversation) => entry(conversation, onOpen, onDeleted, onProblem)));
  none.hidden = conversations.length > 0;
}

function entry(conversation, onOpen, onDeleted, onProblem) {
  const id = conversation.conversation_id;
  const title = conversation.topic_summary || `${conversation.last_message_at ?? id} (${conversation.message_count ?? 0})`;
  const item = document.createElement("li");
  const open = button(title, () => onOpen(id));
  open.className = "open";
  const remove = button("Delete", async () => {
    if (!confirm("Delete this conversation, and its records that have not left this host?")) return;
    try {
      await call("DELETE", `v1/conversations/${id}`);
    } catch (problem) {
      onProblem(problem);
      return;
    }
    item.remove();
    none.hidden = list.children.length > 0;
    onDeleted(id);
  });
  remove.setAttribute("aria-label", `Delete ${title}`);
  item.append(open, remove);
  return item;
}

function button(text, onClick) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", onClick);
  return made;
}
