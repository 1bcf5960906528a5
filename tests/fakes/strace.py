"""Runs a command under strace(1): notes its system calls, kills it at one of them, or lets one fail."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

CHANGING = (
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "rename",
    "unlink",
    "unlinkat",
    "mkdir",
    "ftruncate",
    "link",
    "connect",
    "sendto",
)
LOOKING = ("openat", "newfstatat", "getdents64", "read", "pread64", "flock")
ENVIRON = {"PYTHONDONTWRITEBYTECODE": "1"}
_UNFINISHED = " <unfinished ...>"
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)")
_CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += +(-?\d+)")


@dataclass(frozen=True)
class Call:
    """One system call: its name, its arguments as strace shows them, what it returned."""

    name: str
    arguments: str
    result: int


class Look(NamedTuple):
    """The `number`th call of this name; `makes` a file, perhaps."""

    name: str
    number: int
    makes: bool


def needed() -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")


def tracing(log: Path, *more: str) -> tuple[str, ...]:
    """The words to put before a command; descriptors are shown with their paths. Other calls are not slowed down."""
    return (*_words(log, CHANGING), "--seccomp-bpf", *more)


def injecting(log: Path, call: str, number: int, what: str) -> tuple[str, ...]:
    """As `tracing`; the `number`th `call` of a thread meets `what` (signal=KILL, error=EIO)."""
    inject = ("-e", f"inject={call}:{what}:when={number}")
    if what.startswith("signal="):  # strace 6.1 injects none when a filter keeps it from the other calls
        return (*_words(log, CHANGING), *inject)
    return tracing(log, *inject)


def looking(log: Path, *more: str) -> tuple[str, ...]:
    """As `tracing`, of the calls that look at files instead of changing them; `openat` may make one as well."""
    return (*_words(log, LOOKING), "--seccomp-bpf", *more)


def _words(log: Path, calls: tuple[str, ...]) -> tuple[str, ...]:
    return ("strace", "-f", "-y", "-o", str(log), "-e", f"trace={','.join(calls)}")


def looks(log: Path, *folders: Path) -> list[Look]:
    """Those of the first thread that concern files in these folders, or the folders themselves."""
    lines = log.read_text().splitlines()
    ours = re.compile("|".join(f'{re.escape(str(folder))}[/>"]' for folder in folders))
    made: Counter[str] = Counter()
    found = []
    for thread, _, call in (line.partition(" ") for line in lines):
        name, bracket, arguments = call.strip().partition("(")
        if thread == lines[0].partition(" ")[0] and bracket and name in LOOKING:
            made[name] += 1
            if ours.search(arguments):
                found.append(Look(name, made[name], "O_CREAT" in arguments))
    return found


def hit(log: Path, *parts: str) -> bool:
    """Whether a call met the error that was injected, one that any of `parts` is named in if there are some."""
    met = [line for line in log.read_text().splitlines() if "(INJECTED)" in line]
    return any(part in line for line in met for part in parts or ("",))


def injecting_at(log: Path, path: Path, call: str, what: str) -> tuple[str, ...]:
    """Each `call` that concerns this file meets `what`; a number may follow (error=EIO:when=2+)."""
    return ("strace", "-f", "-o", str(log), "-P", str(path), "-e", f"inject={call}:{what}")


def calls(log: Path) -> list[Call]:
    """Those that were finished, in the order in which they began."""
    begun: list[str] = []
    unfinished: dict[str, int] = {}
    for line in log.read_text().splitlines():
        thread, _, call = line.partition(" ")
        if resumed := _RESUMED.match(call.lstrip()):
            begun[unfinished.pop(thread)] += resumed[1]
            continue
        if line.endswith(_UNFINISHED):
            unfinished[thread] = len(begun)
        begun.append(line.removesuffix(_UNFINISHED))
    return [Call(match[1], match[2], int(match[3])) for line in begun if (match := _CALL.match(line))]


def counts(log: Path) -> dict[str, int]:
    """How often each call was made by the thread that made it most often."""
    threads = Counter(
        (line.split()[0], line.split()[1].split("(")[0]) for line in log.read_text().splitlines() if "(" in line
    )
    found: dict[str, int] = {}
    for (_, name), count in threads.items():
        if name in CHANGING:
            found[name] = max(count, found.get(name, 0))
    return found
