// Thumbs below an answer, and the form that a thumb opens.

import { call, Refused } from "./api.js";

const template = document.getElementById("feedback-template");

// `told` is what the feedback is about, in the API's words; `onRefused(problem)` says whether it dealt with it.
export function offer(turn, told, onSent, onRefused) {
  const thumbs = turn.querySelector(".thumbs");
  thumbs.hidden = false;
  for (const thumb of thumbs.querySelectorAll(".thumb")) {
    thumb.addEventListener("click", () => open(turn, thumb, told, onSent, onRefused));
  }
}

function open(turn, thumb, told, onSent, onRefused) {
  turn.querySelector(".feedback")?.remove();
  press(turn, thumb);
  const form = template.content.cloneNode(true).querySelector("form");
  form.querySelector(".categories").hidden = thumb.dataset.sentiment === "1";
  const close = () => {
    form.remove();
    press(turn, null);
    thumb.focus();
  };
  form.querySelector(".cancel").addEventListener("click", close);
  form.addEventListener("keydown", (event) => event.key === "Escape" && close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const sending = form.querySelector("button.main");
    sending.disabled = true;
    try {
      await call("POST", "v1/feedback", record(form, Number(thumb.dataset.sentiment), told));
    } catch (problem) {
      sending.disabled = false;
      if (!(problem instanceof Refused && onRefused(problem))) form.querySelector(".problem").textContent = problem.message;
      return;
    }
    form.remove();
    for (const button of turn.querySelectorAll(".thumb")) button.disabled = true;
    turn.querySelector(".thanks").textContent = "Thank you.";
    onSent();
  });
  turn.append(form);
  form.scrollIntoView({ block: "nearest" });
  form.querySelector("fieldset:not([hidden]) input, .comment").focus();
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
