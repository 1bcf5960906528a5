// How the installation fares: GET /v1/status drawn, and drawn again every half minute while somebody looks.

import { call } from "./api.js";
import { Bars } from "./chart.js";
import { guard } from "./signin.js";
import { table } from "./table.js";

const $ = (id) => document.getElementById(id);
const EVERY_MILLISECONDS = 30_000;
const RECORDS = [
  { name: "transcripts", label: "Transcripts", sign: 1 },
  { name: "feedback", label: "Feedback", sign: 1 },
];
const OPINIONS = [
  { name: "positive", label: "Helpful", sign: 1 },
  { name: "negative", label: "Not helpful", sign: -1 },
];
const FAILURES = { refused: "refused by the ingress", state: "can't write its state", spool: "can't read the spool", configuration: "misconfigured" };
const NOTHING_PUBLISHED = {
  "not configured": "The collector publishes nothing: data_collector.status_file is not set.",
  missing: "The collector has published nothing yet.",
  unreadable: "What the collector publishes can't be read.",
};

const charts = {
  hours: new Bars($("hours"), "Records an hour", RECORDS),
  days: new Bars($("days"), "Feedback a day", OPINIONS),
};

const sized = (bytes) => {
  if (typeof bytes !== "number") return "–";
  const unit = Math.min(4, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)));
  return `${(bytes / 1024 ** unit).toLocaleString(undefined, { maximumFractionDigits: unit ? 1 : 0 })} ${["B", "KiB", "MiB", "GiB", "TiB"][unit]}`;
};
const at = (time) => {
  const when = new Date(time);
  const today = when.toDateString() === new Date().toDateString();
  const clock = { hour: "2-digit", minute: "2-digit" };
  return when.toLocaleString(undefined, today ? clock : { month: "short", day: "numeric", ...clock });
};
const tick = (when) => when.toLocaleString(undefined, when.getHours() ? { hour: "numeric" } : { month: "short", day: "numeric" });
const epoch = (seconds) => (typeof seconds === "number" ? at(seconds * 1000) : "–");
const took = (seconds) => (typeof seconds !== "number" ? "–" : seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`);
const share = (part) => part.toLocaleString(undefined, { style: "percent", maximumFractionDigits: 1 });

function showSpool({ kinds, limit_bytes: limit, share: used }) {
  const rows = kinds.map((kind) => [kind.kind, kind.records, sized(kind.bytes), kind.oldest_at ? at(kind.oldest_at) : "–"]);
  $("spool").replaceChildren(table("The spool by kind", ["Kind", "Records", "Size", "Oldest"], rows, "No storage is configured."));
  $("limit").replaceChildren();
  if (limit === null) return;
  const meter = document.createElement("meter");
  Object.assign(meter, { min: 0, max: 1, high: 0.8, optimum: 0, value: used });
  meter.setAttribute("aria-label", "Share of the limit");
  $("limit").append(`${share(used)} of the limit of ${sized(limit)}`, meter);
}

function showCollector({ sent_to: host, state, published }) {
  const where = host ? `Records are sent to ${host}.` : "Records do not leave this host: the collector is off.";
  const words = [where, NOTHING_PUBLISHED[state]];
  if (published) {
    if (typeof published.sent_total === "number") words.push(`${published.sent_total.toLocaleString()} records in all.`);
    if (published.next_run_at && host) words.push(`Next run: ${epoch(published.next_run_at)}.`);
    if (published.quarantined) words.push(`${published.quarantined} records in quarantine.`);
  }
  $("collector").textContent = words.filter(Boolean).join(" ");
  const sent = list(published?.sent).map((run) => [epoch(run.ended_at), run.sent ?? "–", run.batches ?? "–", sized(run.bytes)]);
  $("sent").replaceChildren(table("Sent", ["When", "Records", "Batches", "Size"], sent, "Nothing lately."));
  $("runs").replaceChildren(table("Last runs", ["When", "Outcome", "Sent", "Left", "Took"], list(published?.runs).map(run), "None known."));
}

function run({ ended_at: when, outcome, sent, left, seconds }) {
  const row = [epoch(when), FAILURES[outcome] ?? outcome ?? "–", sent ?? "–", left ?? "–", took(seconds)];
  row.failed = outcome in FAILURES;
  return row;
}

// The runs in what the collector publishes, which may be of another release.
function list(value) {
  return Array.isArray(value) ? value.filter((item) => item !== null && typeof item === "object") : [];
}

function showTimes(hours, days) {
  const hourly = hours.map((hour) => {
    const begun = new Date(hour.hour);
    return { ...hour, label: at(hour.hour), tick: begun.getHours() % 6 ? null : tick(begun) };
  });
  const daily = days.map((day, number) => ({ ...day, label: day.day, tick: number % 5 === 4 ? day.day.slice(5) : null }));
  charts.hours.show(hourly);
  charts.days.show(daily);
}

function showProviders(providers, optedOut) {
  const heads = ["Model", "Answers", "Failures", "Mean", "Half within", "95 % within"];
  const rows = providers.map((one) => [
    ...[`${one.provider}/${one.model}`, one.answers, one.failures],
    ...[one.mean_seconds, one.p50_seconds, one.p95_seconds].map(took),
  ]);
  $("providers").replaceChildren(table("Latency by model", heads, rows, "Nobody has been asked yet."));
  const left = Object.entries(optedOut).map(([kind, count]) => `${count} ${kind}`);
  $("opted-out").textContent = left.length ? `Not recorded because users opted out: ${left.join(", ")}.` : "";
}

function show(status) {
  $("as-of").textContent = `As of ${new Date(status.now).toLocaleTimeString()}.`;
  $("problems").replaceChildren(...status.problems.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  $("problems").hidden = status.problems.length === 0;
  showSpool(status.spool);
  showCollector(status.collector);
  showTimes(status.hours, status.days);
  showProviders(status.providers, status.opted_out);
  $("shown").hidden = false;
}

async function main() {
  let timer = null;
  let signedOut = () => false;
  const refresh = async () => {
    try {
      show(await call("GET", "v1/status"));
      $("problem").textContent = "";
    } catch (problem) {
      if (!signedOut(problem)) $("problem").textContent = problem.message;
    }
  };
  const come = () => {
    clearInterval(timer);
    timer = setInterval(() => document.hidden || refresh(), EVERY_MILLISECONDS);
    $("refresh").hidden = false;
    refresh();
  };
  const go = () => {
    clearInterval(timer);
    $("shown").hidden = $("refresh").hidden = true;
    $("problem").textContent = "";
  };
  $("refresh").addEventListener("click", refresh);
  const { name, sign_in: kind } = await call("GET", "page/settings.json");
  document.title = $("name").textContent = `${name}: status`;
  signedOut = guard(kind, come, go);
}

main().catch((problem) => ($("problem").textContent = problem.message));
