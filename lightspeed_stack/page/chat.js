// The chat: ask, watch the answer come, stop it, rate it, start over, go back to an earlier conversation.

import { call, sentence, stream } from "./api.js";
import * as conversations from "./conversations.js";
import * as feedback from "./feedback.js";
import * as privacy from "./privacy.js";
import { guard } from "./signin.js";
import * as turns from "./turn.js";

const $ = (id) => document.getElementById(id);
const WIDE = matchMedia("(min-width: 64rem)");
const COARSE = matchMedia("(pointer: coarse)");
const RETRY_MILLISECONDS = 2000;
const state = { conversation: null, request: null, abort: null, signedOut: () => false };

function say(text) {
  $("status").textContent = text;
}

function complain(problem) {
  if (problem.name === "AbortError" || state.signedOut(problem)) return;
  say("");
  $("problem").textContent = problem.message;
}

function quiet() {
  say("");
  $("problem").textContent = "";
  $("spoken").textContent = "";
}

function busy(abort) {
  state.abort = abort;
  state.request = null;
  $("send").disabled = abort !== null;
  $("stop").hidden = abort === null;
}

// The address holds the conversation, so that a reload comes back to it.
function converse(id) {
  state.conversation = id;
  history.replaceState(null, "", id ? `#${id}` : location.pathname + location.search);
}

function rate(turn, question, answer) {
  if (!privacy.takesFeedback() || !answer || !state.conversation) return;
  const told = { conversation_id: state.conversation, user_question: question, llm_response: answer };
  feedback.offer(turn, told, () => say("Thank you: your feedback is recorded."), state.signedOut);
}

async function ask(question) {
  quiet();
  $("welcome").hidden = true;
  const turn = turns.add(question);
  const growing = new turns.Growing(turn);
  const abort = new AbortController();
  let [ending, failure, id] = ["The answer is complete.", null, state.conversation];
  say("Waiting for the answer.");
  busy(abort);
  const events = {
    start: (data) => {
      id = data.conversation_id;
      state.request = data.request_id;
    },
    token: (data) => growing.add(data.token),
    end: (data) => turns.follow(turn, () => turns.showSources(turn, data.referenced_documents ?? [])),
    interrupted: () => (ending = "Stopped."),
    error: (data) => (failure = new Error(sentence(data))),
  };
  const body = { query: question, ...(id && { conversation_id: id }) };
  try {
    await stream(body, abort.signal, (name, data) => events[name]?.(data));
  } catch (problem) {
    failure = problem;
  }
  if (state.abort !== abort) return; // started over meanwhile
  busy(null);
  growing.end();
  if (growing.text) {
    converse(id);
    turns.follow(turn, () => rate(turn, question, growing.text));
    $("spoken").textContent = growing.box.textContent;
  } else {
    giveBack(turn, question);
  }
  if (failure) complain(failure);
  else say(ending);
  $("question").focus();
  listHistory();
}

// Nothing was answered: as if it had not been asked yet.
function giveBack(turn, question) {
  turn.remove();
  if (!$("question").value) $("question").value = question;
  $("welcome").hidden = $("log").children.length > 0;
}

async function stop() {
  const { abort, request } = state;
  if (!request) {
    giveUp(abort);
    return;
  }
  try {
    await call("POST", "v1/streaming_query/interrupt", { request_id: request });
  } catch {
    giveUp(abort);
  }
}

function giveUp(abort) {
  abort?.abort();
  say("Stopped.");
}

function startOver() {
  state.abort?.abort();
  busy(null);
  converse(null);
  $("log").replaceChildren();
  $("welcome").hidden = false;
  quiet();
}

async function reopen(id) {
  const { chat_history: told } = await call("GET", `v1/conversations/${id}`);
  startOver();
  $("welcome").hidden = true;
  converse(id);
  for (const { messages } of told) {
    const question = messages.find((message) => message.type === "user")?.content ?? "";
    const reply = messages.find((message) => message.type === "assistant");
    const turn = turns.add(question);
    const growing = new turns.Growing(turn);
    growing.text = reply?.content ?? "";
    growing.end();
    turns.showSources(turn, reply?.referenced_documents ?? []);
    rate(turn, question, growing.text);
  }
  say("An earlier conversation.");
}

function showHistory(yes) {
  $("history").hidden = !yes;
  $("history-button").setAttribute("aria-expanded", String(yes));
  if (yes) listHistory();
}

function listHistory() {
  if ($("history").hidden) return;
  const on = { opened, deleted: (id) => id === state.conversation && startOver(), failed: complain };
  conversations.show(state.conversation, on).catch((problem) => {
    if (problem.status !== 403) return complain(problem);
    showHistory(false); // the access rules keep it from this user
    $("history-button").hidden = true;
  });
}

function opened(id) {
  reopen(id).then(() => (WIDE.matches ? listHistory() : showHistory(false))).then(() => $("question").focus(), complain);
}

function come() {
  $("chat").hidden = false;
  $("history-button").hidden = $("new").hidden = false;
  privacy.showOptOut().catch(complain);
  showHistory(WIDE.matches);
  const id = location.hash.slice(1);
  if (id && !state.conversation) reopen(id).then(listHistory).catch(startOver);
  $("question").focus();
}

function go() {
  startOver();
  showHistory(false);
  $("chat").hidden = $("history-button").hidden = $("new").hidden = true;
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = $("question").value.trim();
  if (!question || state.abort) return;
  $("question").value = "";
  ask(question);
});
$("question").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || COARSE.matches) return;
  event.preventDefault();
  $("ask").requestSubmit();
});
$("stop").addEventListener("click", stop);
$("new").addEventListener("click", () => {
  startOver();
  if (!WIDE.matches) showHistory(false);
  listHistory();
  say("A new conversation.");
  $("question").focus();
});
$("history-button").addEventListener("click", () => showHistory($("history").hidden));
$("opt-out").addEventListener("change", () => privacy.change().then(say, complain));

// Nobody asks before it is told what is recorded.
async function begin() {
  try {
    const { name, sign_in } = await privacy.load();
    $("unready").textContent = "";
    document.title = $("name").textContent = name;
    state.signedOut = guard(sign_in, come, go);
  } catch (problem) {
    $("unready").textContent = `${problem.message} Trying again.`;
    setTimeout(begin, RETRY_MILLISECONDS);
  }
}

begin();
