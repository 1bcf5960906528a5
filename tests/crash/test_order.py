"""What is durable before what, read off a trace of the system calls: the promise against power failures."""

from __future__ import annotations

from pathlib import Path

from tests.crash.scenario import Scenario
from tests.fakes import strace
from tests.fakes.ingress_faults import FaultyIngress
from tests.fakes.strace import Call


def _trace(folder: Path) -> tuple[list[Call], Scenario]:
    strace.needed()
    with FaultyIngress() as ingress:
        scenario = Scenario(folder, ingress)
        assert scenario.run(strace.tracing(scenario.trace)).status == 65
        scenario.audit()
        return strace.calls(scenario.trace), scenario


def _where(calls: list[Call], name: str, *parts: str) -> list[int]:
    return [at for at, call in enumerate(calls) if call.name == name and all(part in call.arguments for part in parts)]


def _commits(calls: list[Call]) -> list[int]:
    """Where a transaction is durable: the journal's end is synced after its truncation."""
    ends = _where(calls, "ftruncate", "-journal")
    return [min(at for at in _where(calls, "fdatasync", "-journal") if at > end) for end in ends]


def test_archive_is_durable_before_it_is_claimed(tmp_path: Path) -> None:
    calls, _ = _trace(tmp_path / "site")
    for renamed in _where(calls, "rename", "/outgoing/.draft"):
        synced = [at for at in _where(calls, "fsync", "/outgoing/.draft") if at < renamed]
        written = [at for at in _where(calls, "write", "/outgoing/.draft") if at < renamed]
        assert max(synced) > max(written)
        folder = min(at for at in _where(calls, "fsync", "/outgoing>") if at > renamed)
        upload = min(at for at in _where(calls, "connect") if at > renamed)
        assert any(folder < commit < upload for commit in _commits(calls)), "the claim is durable before a byte is sent"


def test_receipt_is_durable_before_a_record_is_deleted(tmp_path: Path) -> None:
    calls, scenario = _trace(tmp_path / "site")
    for member in scenario.good:
        (deleted,) = _where(calls, "unlinkat", member.split("/")[1])
        sent = max(at for at in _where(calls, "sendto") if at < deleted)
        assert any(sent < commit < deleted for commit in _commits(calls))


def test_deletions_are_durable_before_the_batch_is_done(tmp_path: Path) -> None:
    """Else records come back after a power failure, and nobody remembers that they were sent."""
    calls, scenario = _trace(tmp_path / "site")
    for member in scenario.good:
        storage, name = member.split("/")
        (deleted,) = _where(calls, "unlinkat", name)
        synced = min(at for at in _where(calls, "fsync", f"/spool/{storage}>") if at > deleted)
        assert not any(deleted < commit < synced for commit in _commits(calls))


def test_quarantined_record_is_durable_before_it_leaves_the_spool(tmp_path: Path) -> None:
    calls, scenario = _trace(tmp_path / "site")
    (member,) = scenario.bad
    name = member.split("/")[1]
    (deleted,) = _where(calls, "unlinkat", "/spool/", name)
    (renamed,) = _where(calls, "rename", "/quarantine/", name)
    written = [at for at in _where(calls, "fsync", "/quarantine/", name) if at < renamed]
    assert len(written) == 2, "the record and its reason"
    assert any(renamed < at < deleted for at in _where(calls, "fsync", "/quarantine/transcripts>"))


def test_forgotten_records_are_durably_gone_before_the_request_is(tmp_path: Path) -> None:
    calls, scenario = _trace(tmp_path / "site")
    (request,) = _where(calls, "unlinkat", ".forget_")
    for member in scenario.forgotten:
        (deleted,) = _where(calls, "unlinkat", member.split("/")[1])
        assert any(deleted < at < request for at in _where(calls, "fsync", "/spool/transcripts>"))
