#!/usr/bin/env python3
"""Write the manual pages: docs/man/*.md with the options, keys and the spool's contract filled in from their sources.

usage: manual.py FOLDER
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import reference
import roff

from lightspeed_stack.daemon.version import VERSION

ROOT = Path(__file__).parents[1]


def options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:  # argparse has no public way to list them
        if action.help != argparse.SUPPRESS and not isinstance(action, argparse._SubParsersAction):
            yield f"{_term(action)}\n:   {_sentence(_help(parser, action))}\n"


def commands(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, inner in action.choices.items():
                yield f"### {_usage(inner)}\n\n{_sentence(helps.get(name, ''))}\n"
                yield from (option for option in options(inner) if not option.startswith("`-h`"))
                yield from commands(inner)


def _usage(parser: argparse.ArgumentParser) -> str:
    parser.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=10_000)
    text = parser.format_usage().removeprefix("usage: ").strip()
    return text.split(" ", 1)[1].replace("[-h] ", "").replace("[-h]", "").replace("_", r"\_").strip()


def _term(action: argparse.Action) -> str:
    value = ""
    if action.nargs != 0:
        name = action.metavar or ("{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest)
        value = f" *{name}*" if action.nargs != "?" else f" [*{name}*]"
    if not action.option_strings:
        return value.strip()
    return ", ".join(f"`{flag}`" for flag in action.option_strings) + value


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    return (action.help or "") % {**vars(action), "prog": parser.prog}


def _sentence(text: str) -> str:
    text = re.sub(r"([*_])", r"\\\1", text.strip())
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def keys() -> Iterator[str]:
    for key, kind, default, text in reference.reference(reference.schema()):
        yield f"`{key}` ({_sentence(kind)[:-1].lower()}, {'required' if default == 'required' else f'`{default}`'})\n:   {_sentence(text)}\n"


def spool() -> str:
    return (ROOT / "lightspeed_stack/SPOOL.md").read_text().split("\n", 1)[1]


def filled(text: str) -> str:
    for program in ("stack", "collector"):
        if f"{{{{{program}." in text:
            parser = importlib.import_module(f"lightspeed_{program}.cli").build_parser()
            text = text.replace(f"{{{{{program}.options}}}}", "\n".join(options(parser)))
            text = text.replace(f"{{{{{program}.commands}}}}", "\n".join(commands(parser)))
    if "{{keys}}" in text:
        text = text.replace("{{keys}}", "\n".join(keys()))
    return text.replace("{{spool}}", spool())


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted((ROOT / "docs/man").glob("*.md")):
        name, section = source.stem.rsplit(".", 1)
        (folder / source.stem).write_text(roff.page(filled(source.read_text()), name, int(section), VERSION))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
