// One question and its answer on the screen.

import { render } from "./markdown.js";

const DRAW_MILLISECONDS = 60;
const MARGIN_PIXELS = 12;
const template = document.getElementById("turn-template");
const log = document.getElementById("log");
const scroll = document.getElementById("scroll");

export function add(question) {
  const turn = template.content.cloneNode(true).querySelector(".turn");
  turn.querySelector(".question").textContent = question;
  log.append(turn);
  scroll.scrollTop = scroll.scrollHeight;
  return turn;
}

// Draws an answer as it grows, a few times a second.
export class Growing {
  constructor(turn) {
    this.text = "";
    this.turn = turn;
    this.box = turn.querySelector(".answer");
    this.box.classList.add("waiting");
    this.timer = null;
  }

  add(token) {
    this.text += token;
    this.timer ??= setTimeout(() => this.draw(), DRAW_MILLISECONDS);
  }

  draw() {
    this.timer = null;
    follow(this.turn, () => render(this.text, this.box));
  }

  end() {
    clearTimeout(this.timer);
    this.box.classList.remove("waiting");
    this.draw();
  }
}

// What is added at the end of a turn comes into sight until its question is at the top, unless the reader has scrolled.
export function follow(turn, change) {
  const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
  change();
  if (atEnd) scroll.scrollTop = Math.min(scroll.scrollHeight, turn.offsetTop - MARGIN_PIXELS);
}

export function showSources(turn, documents) {
  const box = turn.querySelector(".sources");
  box.querySelector("ul").replaceChildren(...documents.map(source));
  box.hidden = documents.length === 0;
}

function source(document_) {
  const item = document.createElement("li");
  const safe = /^https?:\/\//i.test(document_.doc_url ?? "");
  const label = document.createElement(safe ? "a" : "span");
  if (safe) Object.assign(label, { href: document_.doc_url, rel: "noreferrer noopener", target: "_blank" });
  label.textContent = document_.doc_title || document_.source || document_.doc_url || "document";
  item.append(label);
  return item;
}
