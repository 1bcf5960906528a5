// Markdown of an answer as elements. Markup in it is shown as text, never obeyed; links open elsewhere and tell
// nobody where they were followed from; pictures become links, since nothing is ever loaded from another place.

import MarkdownIt from "./vendor/markdown-it.js";

const markdown = new MarkdownIt({ html: false, linkify: false, breaks: false });
markdown.disable("image");

const { rules } = markdown.renderer;
const plain = (tokens, index, options, env, self) => self.renderToken(tokens, index, options);
rules.heading_open = rules.heading_close = (tokens, index, ...rest) => {
  tokens[index].tag = `h${Math.min(6, Number(tokens[index].tag[1]) + 3)}`; // below the page's own headings
  return plain(tokens, index, ...rest);
};
rules.link_open = (tokens, index, ...rest) => {
  tokens[index].attrSet("rel", "noreferrer noopener");
  tokens[index].attrSet("target", "_blank");
  return plain(tokens, index, ...rest);
};
rules.table_open = () => '<div class="wide" tabindex="0" role="region" aria-label="Table"><table>';
rules.table_close = () => "</table></div>";

// The only place where text becomes elements; browsers that know Trusted Types hold the page to that.
const policy = window.trustedTypes?.createPolicy("markdown", { createHTML: (text) => markdown.render(text) });

export function render(text, into) {
  into.innerHTML = policy ? policy.createHTML(text) : markdown.render(text);
  for (const block of into.querySelectorAll("pre")) frame(block);
}

function frame(block) {
  block.tabIndex = 0;
  const box = document.createElement("div");
  box.className = "code";
  block.replaceWith(box);
  box.append(block);
  if (navigator.clipboard) box.append(copier(block));
}

function copier(block) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.textContent);
    button.textContent = "Copied";
  });
  return button;
}
