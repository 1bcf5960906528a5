#!/usr/bin/env python3
"""Write what follows from the two configuration schemas: the sample file in etc/ and docs/configuration.md.

`--check` writes nothing and fails when a file is not what it would write.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
Schema = dict[str, Any]
WIDTH = 110


def schema() -> Schema:
    """The stack's schema with the collector's in its place."""
    whole: Schema = json.loads((ROOT / "lightspeed_stack/config.schema.json").read_text())
    collectors: Schema = json.loads((ROOT / "lightspeed_collector/config.schema.json").read_text())
    part = collectors["properties"]["data_collector"]
    whole["properties"]["user_data_collection"]["properties"]["data_collector"] = part
    return whole


def required(key: str, parent: Schema) -> bool:
    return key in parent.get("required", ())


def scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) or not plain(value) else value


def plain(text: str) -> bool:
    return (
        bool(text)
        and text[0].isalpha() | (text[0] == "/")
        and ": " not in text
        and " #" not in text
        and text not in ("true", "false", "null", "yes", "no", "on", "off", "none")
    )


def comment(text: str, indent: str) -> Iterator[str]:
    yield from textwrap.wrap(text, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def sample(parent: Schema, indent: str = "", off: bool = False) -> Iterator[str]:
    """YAML lines for the keys of `parent`; `off` comments them out (parts that are absent by default)."""
    mark = "#" if off else ""
    for key, rule in parent["properties"].items():
        yield ""
        yield from comment(rule.get("description", ""), indent)
        inner = rule.get("properties")
        items = rule.get("items", {}).get("properties")
        if inner and rule.get("default") is None and not required(key, parent):
            yield f"{indent}{mark}{key}: null"
            yield f"{indent}#{key}:"
            yield from sample(rule, indent + "  ", off=True)
        elif inner:
            yield f"{indent}{mark}{key}:"
            yield from sample(rule, indent + "  ", off)
        elif items:
            yield f"{indent}{mark}{key}: []"
            yield f"{indent}#{key}:"
            yield f"{indent}#-"
            yield from sample(rule["items"], indent + "  ", off=True)
        else:
            value = scalar(rule["default"]) if "default" in rule else "  # required"
            yield f"{indent}{mark}{key}: {value}"


def reference(parent: Schema, at: str = "") -> Iterator[tuple[str, str, str, str]]:
    """(key, type, default, description) for each key, depth first."""
    for key, rule in parent["properties"].items():
        name = f"{at}{key}"
        kind = rule.get("type", "any")
        kind = " or ".join(kind) if isinstance(kind, list) else kind
        if "enum" in rule:
            kind = ", ".join(scalar(value) for value in rule["enum"])
        elif "enum" in rule.get("items", {}):
            kind = "list of: " + ", ".join(rule["items"]["enum"])
        default = scalar(rule["default"]) if "default" in rule else "required"
        yield name, kind.replace("array", "list").replace("object", "mapping"), default, rule.get("description", "")
        if "properties" in rule:
            yield from reference(rule, f"{name}.")
        if "properties" in rule.get("items", {}):
            yield from reference(rule["items"], f"{name}[].")


def sample_text() -> str:
    head = """\
# lightspeed-stack.yaml: every key with its default. lightspeed-stack(8) and lightspeed-collector(8) read it,
# then conf.d/*.yaml beside it in the order of the names. Check it: lightspeed-stack --check-config
# ${env.NAME}, ${env.NAME:=default} and ${env.NAME:+value} stand for environment variables.
# A lone # before a key marks an example of a part that is absent by default.
"""
    return head + "\n".join(sample(schema())) + "\n"


def page_text() -> str:
    rows = "\n".join(
        f"| `{key}` | {kind} | `{default}` | {text.replace('|', chr(92) + '|')} |"
        for key, kind, default, text in reference(schema())
    )
    return f"""\
# Configuration

Both programs read `/etc/lightspeed-stack/lightspeed-stack.yaml` and then `conf.d/*.yaml` beside it, in the order of the
names: mappings are merged key by key, anything else is replaced. `${{env.NAME}}` is an environment variable that must be
set, `${{env.NAME:=default}}` has a default, `${{env.NAME:+value}}` is the value only if the variable is set.

An unknown key, a wrong type or a missing value ends either program with exit status 78 and one line for each fault, with
file, key and what was expected. `lightspeed-stack --check-config` does only that, and looks at the files that are named (a
credential that only systemd gives to the service is a warning); `systemctl reload lightspeed-stack` keeps the running
configuration when the new one is at fault, or when a worker couldn't start with it: that is tried first.

| key | type | default | meaning |
| --- | --- | --- | --- |
{rows}
"""


def outputs() -> dict[Path, str]:
    return {
        ROOT / "etc/lightspeed-stack/lightspeed-stack.yaml": sample_text(),
        ROOT / "docs/configuration.md": page_text(),
    }


def main(arguments: list[str]) -> int:
    stale = [path for path, text in outputs().items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if "--check" in arguments:
            print(f"{path.relative_to(ROOT)} is not what `make reference` writes", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(outputs()[path])
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
