import logging

import pytest

from lightspeed_collector.errors import Busy, Refused, SpoolError, StateError
from lightspeed_collector.report import Report
from tests.fakes.site import Site


@pytest.mark.parametrize(
    ("problems", "status"),
    [
        ([], 0),
        ([Busy("b")], 75),
        ([Busy("b"), Refused("r")], 69),
        ([Refused("r"), StateError("s")], 73),
        ([StateError("s"), SpoolError("f")], 74),
    ],
)
def test_status_is_what_to_look_at_first(problems: list[Busy], status: int) -> None:
    report = Report()
    for problem in problems:
        report.problem(problem)
    assert report.status == status


def test_quarantine_is_told_when_all_else_is_well() -> None:
    report = Report()
    report.counted(65)
    assert report.status == 65
    report.problem(Busy("later"))
    assert report.status == 75


def test_quarantine_is_told_by_the_run_that_filled_it_alone(site: Site) -> None:
    site.put(1, content=b"no record")
    assert [site.run().status for _ in range(2)] == [65, 0]
    assert len(site.quarantined) == 1


def test_few_problems_of_a_kind_are_told_and_all_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    report = Report()
    with caplog.at_level(logging.ERROR):
        for number in range(100):
            report.problem(SpoolError(f"problem {number}"))
            report.problem(SpoolError("problem 0"))
    assert len(caplog.records) == 3
    assert "97 more problems" in report.line(1.0)
