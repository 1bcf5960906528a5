#!/usr/bin/env python3
"""Write the completions of both programs for bash and zsh, from their parsers.

usage: completions.py FOLDER
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

import shtab


def name_files(parser: argparse.ArgumentParser) -> None:
    """Let values that the help calls FILE or DIR be completed as such."""
    for action in parser._actions:  # argparse has no public way to list them
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                name_files(inner)
        elif action.metavar in ("FILE", "PAYLOAD"):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar == "DIR":
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for program in ("stack", "collector"):
        parser = importlib.import_module(f"lightspeed_{program}.cli").build_parser()
        name_files(parser)
        for shell in ("bash", "zsh"):
            (folder / f"lightspeed-{program}.{shell}").write_text(shtab.complete(parser, shell=shell))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
