"""The how-to cards of the package, the operator's own documents, and the index over them.

`command` is `lightspeed-stack index`. It and the daemon share one index file, which either makes when it is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from lightspeed_stack.daemon import exits

CARDS = Path(__file__).parent / "cards"


def index_file(state_dir: Path) -> Path:
    """The one index of an installation."""
    return state_dir / "documents.db"


def command(directories: Sequence[Path], state_dir: Path) -> int:
    """Add directories to the index for good; a running daemon answers from them at once."""
    from lightspeed_stack.retriever import Index

    strange = [directory for directory in directories if not directory.is_dir()]
    for directory in strange:
        sys.stderr.write(f"lightspeed-stack: {directory}: not a directory\n")
    if strange:
        return exits.USAGE
    try:
        index = Index(index_file(state_dir))
        index.add(directories)
    except OSError as error:
        sys.stderr.write(f"lightspeed-stack: {error.filename}: {error.strerror}\n")
        return exits.CANTCREAT
    documents, passages = index.count()
    sys.stdout.write(f"{documents} documents with {passages} passages in {index_file(state_dir)}\n")
    return exits.OK
