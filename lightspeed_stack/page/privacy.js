// What is recorded and where it goes, as the service says; and the box that keeps one's own words out of it.

import { call } from "./api.js";

const $ = (id) => document.getElementById(id);
let settings = null;
let out = false;

export async function load() {
  settings = await call("GET", "page/settings.json");
  show();
  return settings;
}

export function takesFeedback() {
  return settings.feedback_enabled && !out;
}

export async function showOptOut() {
  $("opt-out-row").hidden = !settings.recorded;
  if (settings.recorded) {
    try {
      out = !(await call("GET", "v1/me/data-collection")).enabled;
    } catch (problem) {
      if (problem.status !== 403) throw problem;
      $("opt-out-row").hidden = true; // the access rules do not let everybody choose
    }
  }
  show();
}

// What to say about it.
export async function change() {
  const wanted = $("opt-out").checked;
  try {
    await call("PUT", "v1/me/data-collection", { enabled: !wanted });
    out = wanted;
  } finally {
    show();
  }
  return out ? "Your interactions are no longer recorded." : "Your interactions are recorded from now on.";
}

function show() {
  $("opt-out").checked = out;
  const sentences = out ? settings.notice_opted_out : settings.notice;
  $("recorded").textContent = out ? sentences[0] : settings.summary;
  for (const list of document.querySelectorAll(".notice")) {
    list.replaceChildren(...sentences.map(item));
  }
}

function item(text) {
  const made = document.createElement("li");
  made.textContent = text;
  return made;
}
