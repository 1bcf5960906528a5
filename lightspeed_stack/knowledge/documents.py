"""Markdown and text files as passages: front matter, titles, splitting at headings.

Knows nothing of the index. Of front matter it takes `title`, `also` (other titles, with semicolons between them),
`keywords` (or `tags`), `subject` (words of which a question has to have one) and `url`, one key a line, and passes over
everything else; broken Markdown is text.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

SUFFIXES = (".md", ".markdown", ".txt")
MAX_FILE_BYTES = 8 * 1024 * 1024
LONG = 300
LONGEST = 600

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_HEADING = re.compile(r"#{1,6}[ \t]+(.+?)[ \t#]*$")
_FENCE = re.compile(r" {0,3}(```|~~~)")

Stamp = tuple[int, int]


@dataclass(frozen=True)
class Passage:
    """What is indexed and shown as one: a whole short document, or a section of a long one."""

    title: str
    keywords: str
    body: str
    url: str | None
    also: tuple[str, ...] = ()
    subject: str = ""


def find(directory: Path) -> dict[str, Stamp]:
    """The documents below `directory` with (mtime_ns, size); links to folders and names with a dot in front are not followed.

    A directory that is missing is an empty one; what cannot be read is left out with a warning.
    """
    return dict(_walk(directory))


def read(file: Path) -> list[Passage]:
    """The passages of one file; raises OSError when it cannot be read."""
    text = file.read_text(encoding="utf-8-sig", errors="replace").replace("\r\n", "\n")
    head, body = _front_matter(text)
    title = head.get("title") or _first_heading(body) or file.stem.replace("-", " ").replace("_", " ")
    keywords = head.get("keywords", "") or head.get("tags", "")
    also = tuple(phrase.strip() for phrase in head.get("also", "").split(";") if phrase.strip())
    sections = _sections(body) if len(body.split()) > LONG else [("", body)]
    return [
        Passage(_joined(title, heading), keywords, part, head.get("url"), also, head.get("subject", ""))
        for heading, section in sections
        for part in _pieces(section.strip())
    ]


def _walk(directory: Path) -> Iterator[tuple[str, Stamp]]:
    for folder, folders, names in os.walk(directory, onerror=_warn):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.endswith(SUFFIXES) and not name.startswith("."):
                yield from _stamped(directory, os.path.join(folder, name))


def _stamped(directory: Path, file: str) -> Iterator[tuple[str, Stamp]]:
    try:
        file.encode()
        stat = os.stat(file)
    except UnicodeEncodeError:
        log.warning("%r is not indexed: its name is not UTF-8", file)
        return
    except OSError as error:
        _warn(error)
        return
    if stat.st_size > MAX_FILE_BYTES or not os.access(file, os.R_OK):
        log.warning("%s is not indexed: it is larger than %d bytes or can't be read", file, MAX_FILE_BYTES)
        return
    yield os.path.relpath(file, directory), (stat.st_mtime_ns, stat.st_size)


def _warn(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        log.warning("%s is not indexed: %s", error.filename, error.strerror)


def _front_matter(text: str) -> tuple[dict[str, str], str]:
    found = _FRONT_MATTER.match(text)
    if found is None:
        return {}, text
    lines = found[1].splitlines()
    pairs = (line.split(":", 1) for line in lines if ":" in line and not line.startswith((" ", "#", "-")))
    values = {key.strip().lower(): _value(value) for key, value in pairs}
    listed = " ".join(_value(line.strip()[1:]) for line in lines if line.strip().startswith("- "))
    for key in ("keywords", "tags"):
        if values.get(key) == "":
            values[key] = listed
    return values, text[found.end() :]


def _value(text: str) -> str:
    """A YAML scalar or a list in brackets as plain words."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1].replace('\\"', '"').replace("''", "'")
    return text.strip("[]").strip()


def _first_heading(body: str) -> str:
    return next((heading for heading, _ in _sections(body) if heading), "")


def _sections(body: str) -> list[tuple[str, str]]:
    """Heading and text of each section; the text before the first heading has none. Fenced code is never split."""
    sections: list[tuple[str, list[str]]] = [("", [])]
    fence = ""
    for line in body.split("\n"):
        mark = _FENCE.match(line)
        if mark and (not fence or mark[1] == fence):
            fence = "" if fence else mark[1]
        heading = None if fence or mark else _HEADING.match(line)
        if heading:
            sections.append((heading[1], []))
        else:
            sections[-1][1].append(line)
    return [(heading, "\n".join(lines)) for heading, lines in sections]


def _pieces(section: str) -> Iterator[str]:
    """A section that is too long for one answer, cut between paragraphs; nothing for an empty one."""
    piece: list[str] = []
    words = 0
    fenced = False
    for paragraph in re.split(r"\n{2,}", section):
        if words > LONGEST and not fenced:
            yield "\n\n".join(piece)
            piece, words = [], 0
        piece.append(paragraph)
        words += len(paragraph.split())
        fenced ^= len([line for line in paragraph.split("\n") if _FENCE.match(line)]) % 2 == 1
    if any(part.strip() for part in piece):
        yield "\n\n".join(piece)


def _joined(title: str, heading: str) -> str:
    return f"{title}: {heading}" if heading and heading != title else title
