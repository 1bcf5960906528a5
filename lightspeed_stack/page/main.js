// The chat: ask, watch the answer come, stop it, rate it, start over, go back to an earlier conversation.

import { call, stream, useToken } from "./api.js";
import * as conversations from "./conversations.js";
import * as feedback from "./feedback.js";
import { render } from "./markdown.js";

const $ = (id) => document.getElementById(id);

function say(text) {
  $("status").textContent = text;
}

function complain(problem) {
  if (problem.name === "AbortError") return;
  if (problem.status === 401) askForToken();
  $("problem").textContent = problem.message;
}

function askForToken() {
  $("sign-in").hidden = false;
  $("token").focus();
}

function addTurn(question) {
  const turn = $("turn-template").content.cloneNode(true).querySelector(".turn");
  turn.querySelector(".question").textContent = question;
  $("log").append(turn);
  return turn;
}

function showSources(turn, documents) {
  const list = turn.querySelector(".sources");
  list.replaceChildren(
    ...documents.map((source) => {
      const item = document.createElement("li");
      const safe = /^https?:\/\//.test(source.doc_url ?? "");
      const label = document.createElement(safe ? "a" : "span");
      if (safe) Object.assign(label, { href: source.doc_url, rel: "noreferrer noopener", target: "_blank" });
      label.textContent = source.doc_title || source.source || source.doc_url || "document";
      item.append(label);
      return item;
    }),
  );
  list.hidden = documents.length === 0;
}

function busy(yes) {
  $("send").disabled = yes;
  $("stop").hidden = !yes;
}

function rate(turn, question, answer) {
  if (!state.feedback || !answer || !state.conversation) return;
  const told = { conversation_id: state.conversation, user_question: question, llm_response: answer };
  feedback.offer(turn, told, () => say("Thank you: your feedback is recorded."), complain);
}

async function ask(question) {
  $("problem").textContent = "";
  const turn = addTurn(question);
  const box = turn.querySelector(".answer");
  box.classList.add("waiting");
  turn.scrollIntoView({ block: "end" });
  say("Waiting for the answer.");
  busy(true);
  state.abort = new AbortController();
  let answer = "";
  let drawn = false;
  const draw = () => {
    drawn = false;
    render(answer, box);
    turn.scrollIntoView({ block: "end" });
  };
  const events = {
    start: (data) => Object.assign(state, { conversation: data.conversation_id, request: data.request_id }),
    token: (data) => {
      answer += data.token;
      if (!drawn) requestAnimationFrame(draw);
      drawn = true;
    },
    end: (data) => showSources(turn, data.referenced_documents ?? []),
    interrupted: () => say("Stopped."),
    error: (data) => complain(new Error([data.response, data.cause].filter(Boolean).join(": "))),
  };
  const body = { query: question, ...(state.conversation && { conversation_id: state.conversation }) };
  try {
    await stream(body, state.abort.signal, (name, data) => events[name]?.(data));
    draw();
    if ($("status").textContent !== "Stopped.") say("The answer is complete.");
    rate(turn, question, answer);
  } catch (problem) {
    if (!answer) turn.remove();
    if (!answer && !$("question").value) $("question").value = question;
    say("");
    complain(problem);
  } finally {
    box.classList.remove("waiting");
    busy(false);
    Object.assign(state, { request: null, abort: null });
    $("question").focus();
  }
}

async function stop() {
  try {
    if (state.request) await call("POST", "v1/streaming_query/interrupt", { request_id: state.request });
    else state.abort?.abort();
  } catch {
    state.abort?.abort();
  }
}

function startOver() {
  state.abort?.abort();
  state.conversation = null;
  $("log").replaceChildren();
  $("problem").textContent = "";
  say("A new conversation.");
  $("question").focus();
}

async function reopen(id) {
  startOver();
  showHistory(false);
  const { chat_history: turns } = await call("GET", `v1/conversations/${id}`);
  state.conversation = id;
  for (const { messages } of turns) {
    const question = messages.find((message) => message.type === "user")?.content ?? "";
    const reply = messages.find((message) => message.type === "assistant");
    const turn = addTurn(question);
    render(reply?.content ?? "", turn.querySelector(".answer"));
    showSources(turn, reply?.referenced_documents ?? []);
    rate(turn, question, reply?.content);
  }
  say("An earlier conversation.");
}

function showHistory(yes) {
  $("history").hidden = !yes;
  $("history-button").setAttribute("aria-expanded", String(yes));
}

async function toggleHistory() {
  const wanted = $("history").hidden;
  if (wanted) {
    const forget = (id) => id === state.conversation && startOver();
    await conversations.show((id) => reopen(id).catch(complain), forget, complain);
  }
  showHistory(wanted);
}

async function showSettings() {
  const settings = await call("GET", "page/settings.json");
  document.title = settings.name;
  $("name").textContent = settings.name;
  state.feedback = settings.feedback_enabled;
  $("notice").textContent = settings.notice.join(" ");
  $("opt-out-row").hidden = !settings.recorded;
  if (settings.recorded) await showOptOut();
}

async function showOptOut() {
  try {
    $("opt-out").checked = !(await call("GET", "v1/me/data-collection")).enabled;
  } catch (problem) {
    if (problem.status !== 401) $("opt-out-row").hidden = true;
  }
}

async function changeOptOut() {
  const enabled = !$("opt-out").checked;
  try {
    await call("PUT", "v1/me/data-collection", { enabled });
    say(enabled ? "Your interactions are recorded from now on." : "Your interactions are no longer recorded.");
  } catch (problem) {
    $("opt-out").checked = enabled;
    complain(problem);
  }
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = $("question").value.trim();
  if (!question || $("send").disabled) return;
  $("question").value = "";
  ask(question);
});
$("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("ask").requestSubmit();
  }
});
$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken($("token").value.trim());
  $("token").value = "";
  $("sign-in").hidden = true;
  $("problem").textContent = "";
  $("question").focus();
  showSettings().catch(complain);
});
$("stop").addEventListener("click", stop);
$("new").addEventListener("click", startOver);
$("history-button").addEventListener("click", () => toggleHistory().catch(complain));
$("opt-out").addEventListener("change", changeOptOut);
showSettings().catch(complain);
$("question").focus();
