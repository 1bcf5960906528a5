"""Markdown to roff with the man macros (man(7)): the subset that our pages use, tables as lists of terms. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.deflist import deflist_plugin

BOLD, ITALIC, ROMAN = r"\fB", r"\fI", r"\fR"
_FONTS = {"strong_open": BOLD, "em_open": ITALIC, "strong_close": ROMAN, "em_close": ROMAN}


def page(markdown: str, name: str, section: int, version: str) -> str:
    """The manual page `name`(`section`); `##` begins a section of it, `###` a subsection."""
    parser = MarkdownIt("commonmark").enable("table").use(deflist_plugin)
    title = f'.TH "{name.upper()}" "{section}" "" "lightspeed-stack {version}" ""'
    lines = [title, ".nh", ".ad l", *_Writer(parser.parse(markdown)).lines()]
    return "\n".join(line for line in lines if line) + "\n"


def escape(text: str) -> str:
    text = (
        text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga").replace("^", r"\(ha")
    )
    return text.replace("~", r"\(ti").replace('"', r"\(dq")


class _Writer:
    """Lines of roff for a token stream; a method a token type, those without one say nothing."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._heading = ""
        self._has_mark = False  # a macro has just begun a paragraph

    def lines(self) -> Iterator[str]:
        for token in _without(_without(self._tokens, "heading", "h1"), "thead", "thead"):
            yield from getattr(self, f"_{token.type}", self._silent)(token)

    def _silent(self, token: Token) -> Iterator[str]:
        yield from ()

    def _heading_open(self, token: Token) -> Iterator[str]:
        self._heading = ".SH" if token.tag == "h2" else ".SS"
        yield from ()

    def _heading_close(self, token: Token) -> Iterator[str]:
        self._heading = ""
        self._has_mark = True
        yield from ()

    def _inline(self, token: Token) -> Iterator[str]:
        text = "".join(map(_piece, token.children or ()))
        if self._heading:
            yield f'{self._heading} "{text.upper() if self._heading == ".SH" else text}"'
        else:
            yield from (_guard(line.strip()) for line in text.split("\n"))

    def _paragraph_open(self, token: Token) -> Iterator[str]:
        if not self._has_mark and not token.hidden:
            yield ".PP" if token.level == 0 else ".sp"
        self._has_mark = False

    def _list_item_open(self, token: Token) -> Iterator[str]:
        yield f".IP {token.info}. 4" if token.info else r".IP \(bu 2"
        self._has_mark = True

    def _dt_open(self, token: Token) -> Iterator[str]:
        yield ".TP"

    _tr_open = _dt_open

    def _dd_open(self, token: Token) -> Iterator[str]:
        self._has_mark = True
        yield from ()

    def _fence(self, token: Token) -> Iterator[str]:
        yield from (".PP", ".RS 4", ".nf")
        yield from (_guard(escape(line)) or r"\&" for line in token.content.rstrip("\n").split("\n"))
        yield from (".fi", ".RE")
        self._has_mark = False

    _code_block = _fence


def _without(tokens: Iterable[Token], kind: str, tag: str) -> Iterator[Token]:
    skipping = False
    for token in tokens:
        skipping = skipping or (token.type == f"{kind}_open" and token.tag == tag)
        if not skipping:
            yield token
        skipping = skipping and not (token.type == f"{kind}_close" and token.tag == tag)


def _piece(token: Token) -> str:
    if token.type == "code_inline":
        return f"{BOLD}{escape(token.content)}{ROMAN}"
    if token.type in ("softbreak", "hardbreak"):
        return "\n"
    if token.type == "text":
        return re.sub(r"(?<!\\)-(?=-)", r"\-", token.content.replace("\\", r"\e"))
    return _FONTS.get(token.type, "")


def _guard(line: str) -> str:
    """A line that begins with a dot or a quote would be a request."""
    return rf"\&{line}" if line[:1] in (".", "'") else line
