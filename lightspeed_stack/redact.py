"""Replace in texts what must not leave the process: the operator's patterns and ready-made ones.

Filters run one after the other, the ready-made first (in the order of sensitive.py), then the operator's as listed.
What a replacement lays bare is looked at again. The engine is RE2: time grows with the text, whatever the pattern.
Replacements are counted under the filter's name; a text is never logged, nor shown in an error.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import thread_time
from typing import TYPE_CHECKING, Any, TextIO

import re2

from lightspeed_stack import sensitive
from lightspeed_stack.daemon import exits
from lightspeed_stack.daemon.config import ConfigError, Fault

if TYPE_CHECKING:
    from lightspeed_stack.config import Redaction

ROUNDS = 8
MAX_SECONDS = 2.0
BYTES_A_SECOND = 500_000  # far slower than any sane pattern

log = logging.getLogger(__name__)

OnMatch = Callable[[str, int], None]
Template = tuple[bytes | int, ...]


class BadFilter(ValueError):
    """A filter that can't be used: `key` is the one of its keys that is to blame."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key = key


@dataclass(frozen=True)
class Filter:
    """`locate` says which parts of a match are meant, when it is not the whole."""

    name: str
    pattern: Any
    template: Template
    locate: sensitive.Locate | None = None

    def replace(self, data: bytes, deadline: float) -> tuple[bytes, int]:
        """The new text and how often it changed; past `deadline` the rest is dropped rather than let through."""
        pieces: list[bytes] = []
        end = count = 0
        for match in self.pattern.finditer(data):
            for start, stop, new in self._replacements(data, match):
                pieces += (data[end:start], new)
                count += new != data[start:stop]
                end = stop
            if thread_time() > deadline:
                log.warning("redaction filter %s took too long, dropped the rest of a text", self.name)
                return b"".join((*pieces, data[end : match.end()])), count
        return b"".join((*pieces, data[end:])), count

    def _replacements(self, data: bytes, match: Any) -> Iterator[tuple[int, int, bytes]]:
        start, stop = match.span()
        if start == stop:
            return
        new = b"".join(part if isinstance(part, bytes) else match.group(part) or b"" for part in self.template)
        for part in self.locate(data, start, stop) if self.locate else ((start, stop),):
            yield *part, new


class Redactor:
    """Shared by all threads. `on_match` gets a filter's name and how often it changed one text."""

    def __init__(self, filters: Sequence[Filter], on_match: OnMatch | None = None) -> None:
        self._filters = tuple(filters)
        self._any = _any_of(self._filters)
        self._on_match = on_match

    def apply(self, text: str) -> str:
        if not self._filters or not text:
            return text
        data = text.encode("utf-8", "surrogatepass")
        if not self._concerns(data):
            return text
        counts: Counter[str] = Counter()
        redacted = self._redacted(data, counts)
        if self._on_match:
            for name, count in counts.items():
                self._on_match(name, count)
        return redacted.decode("utf-8", "surrogatepass")

    def _concerns(self, data: bytes) -> bool:
        return self._any is None or self._any.search(data) is not None

    def _redacted(self, data: bytes, counts: Counter[str]) -> bytes:
        deadline = thread_time() + MAX_SECONDS + len(data) / BYTES_A_SECOND
        rounds = ROUNDS
        while rounds:
            before = data
            for each in self._filters:
                data, count = each.replace(data, deadline)
                if count:
                    counts[each.name] += count
            if data == before or not self._concerns(data):
                break
            rounds -= len(data) >= len(before)  # a text that shrinks comes to its end by itself
        return data


def from_config(config: Redaction, on_match: OnMatch | None = None) -> Redactor:
    """Raises `ConfigError` with a fault for each filter that can't be used, its key from `redaction` on."""
    faults: list[Fault] = []
    filters = [_builtin(name) for name in sensitive.BUILTIN if name in config.builtin]
    taken = set(config.builtin)
    for number, own in enumerate(config.filters):
        at = f"redaction.filters[{number}]"
        if own.name in taken:
            faults.append(Fault("", f"{at}.name", f"there is another filter {own.name!r}"))
        taken.add(own.name)
        try:
            filters.append(compile_filter(own.name, own.pattern, own.replace_with))
        except BadFilter as bad:
            faults.append(Fault("", f"{at}.{bad.key}", f"filter {own.name!r}: {bad}"))
    if faults:
        raise ConfigError(*faults)
    return Redactor(filters, on_match)


def compile_filter(name: str, pattern: str, replace_with: str) -> Filter:
    r"""`\1` to `\9` in `replace_with` stand for groups of the pattern, `\\` for a backslash. Raises `BadFilter`."""
    template = _template(replace_with)
    groups = max((part for part in template if isinstance(part, int)), default=0)
    compiled = _compile(pattern, captures=groups > 0)
    if compiled.groups < groups:
        raise BadFilter("replace_with", f"the pattern has no group {groups}")
    made = Filter(name, compiled, template)
    literal = b"".join(part for part in template if isinstance(part, bytes))
    if made.replace(literal, thread_time() + MAX_SECONDS)[0] != literal:
        raise BadFilter("replace_with", "the pattern matches the replacement itself")
    return made


def command(config: Redaction, stdin: TextIO, stdout: TextIO, stderr: TextIO) -> int:
    """Redact a text from one stream to the other, and tell the third how often each filter replaced something."""
    counts: Counter[str] = Counter()
    redactor = from_config(config, lambda name, count: counts.update({name: count}))
    stdout.write(redactor.apply(stdin.read()))
    stdout.flush()
    for name in (*config.builtin, *(own.name for own in config.filters)):
        stderr.write(f"{name}: {counts[name]}\n")
    return exits.OK


def _builtin(name: str) -> Filter:
    ready = sensitive.BUILTIN[name]
    template = _template(ready.replace_with)
    return Filter(name, _compile(ready.pattern, captures=len(template) > 1), template, ready.locate)


def _compile(pattern: str, captures: bool) -> Any:
    if re.search(r"(?<!\\)(?:\\\\)*\\C", pattern):
        raise BadFilter("pattern", r"\C would cut characters in two")
    try:
        compiled = re2.compile(pattern, _options(captures))
    except (re2.error, UnicodeEncodeError) as error:
        raise BadFilter("pattern", f"RE2 can't run this pattern: {_reason(error)}") from None
    if compiled.search(b""):
        raise BadFilter("pattern", "the pattern matches the empty text")
    return compiled


def _options(captures: bool) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = not captures
    return options


def _reason(error: Exception) -> str:
    first = error.args[0] if error.args else ""
    text = first.decode("utf-8", "replace") if isinstance(first, bytes) else str(error)
    return text if len(text) <= 120 else text[:117] + "..."


def _template(replace_with: str) -> Template:
    parts: list[bytes | int] = []
    for literal, escape in re.findall(r"([^\\]+)|\\(.?)", replace_with, re.DOTALL):
        if literal or escape == "\\":
            parts.append((literal or "\\").encode("utf-8", "surrogatepass"))
        elif escape.isdecimal() and escape != "0":
            parts.append(int(escape))
        else:
            raise BadFilter("replace_with", r"a backslash must be followed by a digit from 1 to 9, or another one")
    return tuple(parts)


def _any_of(filters: Sequence[Filter]) -> Any:
    r"""One pattern that finds what any of the filters would; None when RE2 finds it too large, or there is no joining them.

    A `\Q` makes letters of all up to the next `\E`. Nothing else that compiles alone reaches beyond its own group.
    """
    patterns = [each.pattern.pattern for each in filters]
    if not patterns or any(r"\Q" in pattern for pattern in patterns):
        return None
    try:
        return re2.compile("|".join(f"(?:{pattern})" for pattern in patterns), _options(captures=False))
    except re2.error:
        return None
