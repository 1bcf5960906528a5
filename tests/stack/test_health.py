from __future__ import annotations

import os
import threading
from pathlib import Path

from lightspeed_stack.health import Health, Report
from lightspeed_stack.spool import Spool


class Asked:
    """A provider whose health is what it was given, counted."""

    def __init__(self, name: str, wrong: str | None) -> None:
        self.name = name
        self.wrong = wrong
        self.count = 0

    def health(self) -> str | None:
        self.count += 1
        return self.wrong


def nothing() -> None:
    """A database that answers."""


def broken() -> None:
    raise ConnectionError("a secret")


def look(
    *providers: Asked, database: object = nothing, spools: dict[str, Spool] | None = None, reserve: int = 0
) -> Report:
    return Health(providers, database, lambda: spools or {}, reserve).report()  # type: ignore[arg-type]  # only health is asked for


def test_all_is_well(tmp_path: Path) -> None:
    report = look(Asked("a", None), spools={"feedback": Spool(tmp_path, 0)})
    assert report.ready
    assert report.as_json() == {
        "ready": True,
        "reason": "All providers are healthy",
        "overall_status": "healthy",
        "impacts": None,
        "providers": [],
    }


def test_every_provider_that_is_not_well_is_named() -> None:
    report = look(Asked("a", "no answer"), Asked("b", None), Asked("c", "no key"))
    assert not report.ready
    assert report.as_json() == {
        "ready": False,
        "reason": "Providers not healthy: a, c",
        "overall_status": "unhealthy",
        "impacts": ["Provider a: no answer", "Provider c: no key"],
        "providers": [
            {"provider_id": "a", "status": "Error", "message": "no answer"},
            {"provider_id": "c", "status": "Error", "message": "no key"},
        ],
    }


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    spools = {"feedback": Spool(tmp_path / "file" / "x", 0), "transcripts": Spool(tmp_path, 1 << 60)}
    told = look(Asked("a", "gone"), database=broken, spools=spools).as_json()
    assert told["impacts"] == [
        "Provider a: gone",
        "The database cannot be used",
        "The storage for feedback is not writable",
        "The storage for transcripts is full",
    ]


def test_a_disk_that_is_nearly_full_makes_it_degraded(tmp_path: Path) -> None:
    free = os.statvfs(tmp_path)
    reserve = free.f_bavail * free.f_frsize * 2 // 3
    told = look(spools={"feedback": Spool(tmp_path, 0)}, reserve=reserve).as_json()
    assert (told["ready"], told["overall_status"]) == (True, "degraded")
    assert told["reason"] == "The disk for feedback is nearly full"


def test_it_is_not_looked_at_for_each_who_asks() -> None:
    asked = Asked("a", None)
    health = Health([asked], nothing, dict, 0)  # type: ignore[list-item]  # only health is asked for
    reports = {id(health.report()) for _ in range(3)}
    assert (asked.count, len(reports)) == (1, 1)


def test_who_is_slow_to_answer_holds_nobody_who_asks_later() -> None:
    class Slow(Asked):
        """Answers at once the first time, and then when it is let go."""

        def __init__(self) -> None:
            super().__init__("slow", None)
            self.looked_at = threading.Event()
            self.go = threading.Event()

        def health(self) -> str | None:
            if self.count:
                self.looked_at.set()
                assert self.go.wait(10)
            return super().health()

    slow = Slow()
    health = Health([slow], nothing, dict, 0, max_age_seconds=0)  # type: ignore[list-item]  # only health is asked for
    first = health.report()
    later: list[Report] = []
    thread = threading.Thread(target=lambda: later.append(health.report()))
    thread.start()
    assert slow.looked_at.wait(10)
    assert health.report() is first
    slow.go.set()
    thread.join()
    assert later[0] is not first
