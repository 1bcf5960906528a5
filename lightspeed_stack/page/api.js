// The API as the pages use it. Paths are relative, so the pages work under any root path.

const TOKEN = "lightspeed-token";
const EVERY_END = ["end", "interrupted", "error"];

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function hasToken() {
  return sessionStorage.getItem(TOKEN) !== null;
}

export function useToken(token) {
  if (token) sessionStorage.setItem(TOKEN, token);
  else sessionStorage.removeItem(TOKEN);
}

export async function call(method, path, body) {
  const answer = await send(method, path, body);
  return answer.json();
}

// Ask, and hand every event of the answer to `onEvent(name, data)` as it comes.
export async function stream(body, signal, onEvent) {
  const answer = await send("POST", "v1/streaming_query", body, signal);
  let ended = false;
  for await (const { event, data } of events(answer.body)) {
    ended ||= EVERY_END.includes(event);
    onEvent(event, data);
  }
  if (!ended) throw new Error("The connection was lost before the answer was complete.");
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await read(reader);
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) if (block.startsWith("data: ")) yield JSON.parse(block.slice(6));
  }
}

async function read(reader) {
  try {
    return await reader.read();
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    return { done: true };
  }
}

async function send(method, path, body, signal) {
  const token = sessionStorage.getItem(TOKEN);
  const headers = {
    ...(body && { "Content-Type": "application/json" }),
    ...(token && { Authorization: `Bearer ${token}` }),
  };
  const answer = await reach(path, { method, headers, signal, cache: "no-store", body: body && JSON.stringify(body) });
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

async function reach(path, init) {
  try {
    return await fetch(path, init);
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new Error("The server can't be reached.");
  }
}

async function refusal(answer) {
  const body = await answer.json().catch(() => ({}));
  return new Refused(answer.status, sentence(body.detail) || `The server answered ${answer.status}.`);
}

export function sentence(detail) {
  if (typeof detail === "string") return detail;
  if (Array.isArray(detail)) return detail.map((item) => `${item.loc.slice(1).join(".")}: ${item.msg}`).join("; ");
  return [detail?.response, detail?.cause].filter(Boolean).join(": ");
}
