// The API as the page uses it: paths are relative, so the page works under any root path.

const TOKEN = "lightspeed-token";

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function useToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

function headers(more = {}) {
  const token = sessionStorage.getItem(TOKEN);
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

function sentence(detail) {
  if (typeof detail === "string") return detail;
  if (Array.isArray(detail)) return detail.map((item) => `${item.loc.slice(1).join(".")}: ${item.msg}`).join("; ");
  return [detail?.response, detail?.cause].filter(Boolean).join(": ");
}

async function failure(answer) {
  const body = await answer.json().catch(() => ({}));
  return new Refused(answer.status, sentence(body.detail) || `The server answered ${answer.status}.`);
}

export async function call(method, path, body) {
  const init = { method, headers: headers(body ? { "Content-Type": "application/json" } : {}) };
  if (body) init.body = JSON.stringify(body);
  const answer = await fetch(path, init);
  if (!answer.ok) throw await failure(answer);
  return answer.json();
}

// Ask, and hand every event of the stream to `onEvent(name, data)` as it comes.
export async function stream(body, signal, onEvent) {
  const answer = await fetch("v1/streaming_query", {
    method: "POST",
    headers: headers({ "Content-Type": "application/json" }),
    body: JSON.stringify(body),
    signal,
  });
  if (!answer.ok) throw await failure(answer);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      if (!event.startsWith("data: ")) continue;
      const told = JSON.parse(event.slice(6));
      onEvent(told.event, told.data);
    }
  }
}
