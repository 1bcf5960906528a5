// Thumbs below an answer, and the form that a thumb opens.

import { call } from "./api.js";

const template = document.getElementById("feedback-template");

export function offer(turn, told, onSent, onProblem) {
  const thumbs = turn.querySelector(".thumbs");
  thumbs.hidden = false;
  for (const thumb of thumbs.querySelectorAll(".thumb")) {
    thumb.addEventListener("click", () => open(turn, thumb, told, onSent, onProblem));
  }
}

function open(turn, thumb, told, onSent, onProblem) {
  turn.querySelector(".feedback")?.remove();
  press(turn, thumb);
  const form = template.content.cloneNode(true).querySelector("form");
  form.querySelector(".categories").hidden = thumb.dataset.sentiment === "1";
  form.querySelector(".cancel").addEventListener("click", () => {
    form.remove();
    press(turn, null);
    thumb.focus();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await call("POST", "v1/feedback", record(form, Number(thumb.dataset.sentiment), told));
    } catch (problem) {
      onProblem(problem);
      return;
    }
    form.remove();
    for (const button of turn.querySelectorAll(".thumb")) button.disabled = true;
    onSent();
  });
  turn.append(form);
  form.querySelector(".comment").focus();
}

function press(turn, chosen) {
  for (const thumb of turn.querySelectorAll(".thumb")) thumb.setAttribute("aria-pressed", String(thumb === chosen));
}

function record(form, sentiment, told) {
  const body = { ...told, sentiment };
  const comment = form.querySelector(".comment").value.trim();
  const categories = [...form.querySelectorAll(".categories input:checked")].map((box) => box.value);
  if (comment) body.user_feedback = comment;
  if (sentiment < 0 && categories.length) body.categories = categories;
  return body;
}
