"""The spool's contract, version 1: what one half writes the other reads, now and from releases before.

golden/v1 is a spool as releases of version 1 may have left it; expected.json says what in it is what. It is never
changed: a reader reads it for ever.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from lightspeed_collector import names, record
from lightspeed_collector.spool import Scan
from lightspeed_collector.spool import Spool as Reader
from lightspeed_stack.spool import Spool as Writer

GOLDEN = Path(__file__).parent / "golden" / "v1"
EXPECTED: dict[str, Any] = json.loads((GOLDEN / "expected.json").read_text())
STORAGES = ("transcripts", "feedback")


def scan(root: Path) -> Scan:
    with Reader({storage: root / storage for storage in STORAGES}) as reader:
        return reader.scan(lambda: None)


def patterns() -> dict[str, str]:
    """The regular expressions that SPOOL.md states."""
    text = (resources.files("lightspeed_stack") / "SPOOL.md").read_text()
    return dict(re.findall(r"^    (record|request) +(\S+)$", text, re.MULTILINE))


def test_reader_takes_the_golden_records_in_order_and_nothing_else() -> None:
    expected = [f"{each['storage']}/{each['name']}" for each in EXPECTED["records"]]
    assert list(scan(GOLDEN).backlog) == expected


def test_reader_reads_the_golden_records_byte_for_byte() -> None:
    with Reader({storage: GOLDEN / storage for storage in STORAGES}) as reader:
        for each in EXPECTED["records"]:
            read = reader.read(f"{each['storage']}/{each['name']}")
            assert read.data is not None
            assert len(read.data) == each["bytes"]
            assert hashlib.sha256(read.data).hexdigest() == each["sha256"]
            assert record.fault(read.data) is None


def test_reader_tells_conversation_and_time_from_golden_names() -> None:
    for each in EXPECTED["records"]:
        assert names.conversation(each["name"]) == each["conversation"]
        assert names.written_at(each["name"]) == datetime.fromisoformat(each["written"]).timestamp()


def test_reader_takes_the_golden_requests_and_nothing_else() -> None:
    expected = [(each["storage"], each["name"]) for each in EXPECTED["requests"]]
    assert sorted(scan(GOLDEN).requests) == expected
    assert [names.forgotten(each["name"]) for each in EXPECTED["requests"]] == [
        each["conversation"] for each in EXPECTED["requests"]
    ]


def test_reader_counts_everything_else_but_drafts_as_strangers() -> None:
    known = sum(map(len, EXPECTED.values()))
    everything = sum(len(os.listdir(GOLDEN / storage)) for storage in STORAGES)
    assert scan(GOLDEN).strangers == everything - known


def test_writer_counts_the_golden_records_as_the_reader_does() -> None:
    for storage in STORAGES:
        expected = [each for each in EXPECTED["records"] if each["storage"] == storage]
        usage = Writer(GOLDEN / storage, 0).usage()
        assert usage.records == len(expected)
        assert usage.bytes == sum(each["bytes"] for each in expected)
        assert usage.oldest == datetime.fromisoformat(expected[0]["written"])


def test_document_states_the_patterns_that_the_golden_names_keep_to() -> None:
    stated = patterns()
    files = [
        entry.name
        for storage in STORAGES
        for entry in os.scandir(GOLDEN / storage)
        if entry.is_file(follow_symlinks=False)
    ]
    for kind, key in (("record", "records"), ("request", "requests")):
        matching = sorted(name for name in files if re.fullmatch(stated[kind], name))
        assert matching == sorted(each["name"] for each in EXPECTED[key])


@pytest.mark.parametrize("conversation", ["ad14e9de-72d6-42a3-98bf-017e9c0a6b89", "a", "Z" * 64, "0-"])
def test_what_the_writer_puts_the_reader_reads(tmp_path: Path, conversation: str) -> None:
    writer = Writer(tmp_path / "feedback", 0)
    now = datetime.now(UTC)
    name = writer.put(conversation, b'{"a": "\\u0159"}', now)
    assert re.fullmatch(patterns()["record"], name)
    assert list(scan(tmp_path).backlog) == [f"feedback/{name}"]
    assert names.conversation(name) == conversation
    assert names.written_at(name) == now.timestamp()
    with Reader({"feedback": tmp_path / "feedback"}) as reader:
        assert reader.read(f"feedback/{name}").data == b'{"a": "\\u0159"}'


def test_what_the_writer_asks_for_the_reader_finds(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "transcripts", 0)
    writer.put("kept", b"{}", datetime.now(UTC))
    writer.forget("ad14e9de")
    ((storage, name),) = scan(tmp_path).requests
    assert storage == "transcripts"
    assert re.fullmatch(patterns()["request"], name)
    assert names.forgotten(name) == "ad14e9de"
    assert scan(tmp_path).strangers == 0


def test_drafts_are_no_strangers_and_no_records(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "transcripts", 0)
    name = writer.put("c", b"{}", datetime.now(UTC))
    (tmp_path / "transcripts" / name).rename(tmp_path / "transcripts" / f".{name}")
    found = scan(tmp_path)
    assert (len(found.backlog), found.requests, found.strangers) == (0, [], 0)
