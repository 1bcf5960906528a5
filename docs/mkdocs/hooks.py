"""What the site shows beside docs/*.md: pages that stand elsewhere in the tree, and the manual pages with the options,
keys and the contract that the programs' own sources hold. Links between them are made to fit."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
ELSEWHERE = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
    "spool.md": "lightspeed_stack/SPOOL.md",
    "lightspeed-stack.yaml": "etc/lightspeed-stack/lightspeed-stack.yaml",
    "vendored.md": "lightspeed_stack/page/vendor/README.md",
    "markdown-it.LICENSE": "lightspeed_stack/page/vendor/markdown-it.LICENSE",
    "images/icon.svg": "lightspeed_stack/page/icon.svg",
}
LINK = re.compile(r"\[([^\]]*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for target, source in ELSEWHERE.items():
        files.append(File.generated(config, target, content=(ROOT / source).read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    if page.file.src_uri.startswith("man/"):
        markdown = _manual(markdown)
    source = ELSEWHERE.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    return LINK.sub(lambda link: _relinked(link, source, page.file.src_uri), markdown)


def _relinked(link: re.Match[str], source: str, target: str) -> str:
    """`link` in the file `source` of the tree, as the site's page `target` has to have it; to what the site has not, only its text."""
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[2]))
    shown = {path: name for name, path in ELSEWHERE.items()}.get(wanted)
    if shown is None and not wanted.startswith("docs/"):
        return link[1]
    place = posixpath.relpath(shown or wanted.removeprefix("docs/"), posixpath.dirname(target) or ".")
    return f"[{link[1]}]({place}{link[3] or ''})"


def _manual(markdown: str) -> str:
    sys.path.insert(0, str(DOCS))
    import manual  # a script beside the documents, not a package

    return manual.filled(markdown)
