"""docs/tutorial.md, replayed: what its console blocks say after `# ` is run, as root, on a machine without the product.

`python -m tests.systemd.tutorial` writes what was seen into the page; the test holds the page to what is seen now.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.systemd.conftest import ROOT, packages
from tests.systemd.machine import Machine

PAGE = ROOT / "docs/tutorial.md"
FOLDER = "/root/tutorial"
_BLOCK = re.compile(r"(?ms)^```console\n(.*?)^```$")


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Each command of a block, with all of its lines, and the output that the page shows."""
    lines = block.splitlines()
    while lines:
        command = [lines.pop(0)]
        assert command[0].startswith("# "), command
        end = "EOF" if "<<" in command[0] else None
        while lines and (end or command[-1].endswith("\\")):
            command.append(lines.pop(0))
            if command[-1] == end:
                break
        output = []
        while lines and not lines[0].startswith("# "):
            output.append(lines.pop(0))
        yield "\n".join(command), "\n".join(output)


def replay(text: str, run: Callable[[str], str]) -> str:
    """The page with the output of each command as it is now."""

    def block(match: re.Match[str]) -> str:
        parts = []
        for command, _ in commands(match.group(1)):
            parts += [command, *run(command.removeprefix("# ")).splitlines()]
        return "\n".join(["```console", *(part.rstrip() for part in parts), "```"])

    return _BLOCK.sub(block, text)


def shape(text: str) -> list[str]:
    """The lines of a page without what differs from one hour and one machine to the next."""
    text = re.sub(r"\d{8}T\d{6}\.\d{6}Z_[0-9a-f-]{36}_[0-9a-f]{8}", "RECORD", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{8,}\b", "ID", text)
    text = re.sub(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b", "DAY", text)
    text = re.sub(r"\d+(min|ms|s|h)?\b( \d+(ms|s)\b)*", "N", text)
    return [" ".join(line.split()) for line in text.splitlines()]


def prepare(machine: Machine) -> Callable[[str], str]:
    package = packages("deb")[1]
    machine.copy(package, f"{FOLDER}/{package.name}")

    def run(command: str) -> str:
        return machine.run(f"cd {FOLDER}; export SYSTEMD_COLORS=0\n{command}", status=None)

    return run


def main(page: Path = PAGE) -> None:
    with Machine() as machine:
        page.write_text(replay(page.read_text(), prepare(machine)))


if __name__ == "__main__":
    main()
