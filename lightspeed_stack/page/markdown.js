// Markdown of an answer as elements. Markup in it is shown as text, never obeyed; links open elsewhere and tell
// nobody where they were followed from; pictures become links, since nothing is ever loaded from another place.

import MarkdownIt from "./vendor/markdown-it.js";

const markdown = new MarkdownIt({ html: false, linkify: false, breaks: false });
markdown.disable("image");

export function render(text, into) {
  into.innerHTML = markdown.render(text);
  for (const link of into.querySelectorAll("a")) {
    link.rel = "noreferrer noopener";
    link.target = "_blank";
  }
  for (const block of into.querySelectorAll("pre")) block.tabIndex = 0;
}
