"""The next archive is built while one is on its way, and given up when the answer changes what comes next."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from lightspeed_collector.backlog import Queue
from lightspeed_collector.upcoming import Building, Upcoming
from tests.collector.conftest import Met
from tests.fakes.ingress_faults import Behaviour, Connection, accept, answer, too_large
from tests.fakes.site import Site

SMALL = {"max_archive_bytes": 8192}


def archives(site: Site) -> list[Path]:
    return sorted((site.state / "outgoing").glob("*.tar.gz"))


def held_until(true: Callable[[], bool], then: Behaviour, seen: threading.Event) -> Behaviour:
    """Answer as `then` once `true`, which is noted in `seen`; or after ten seconds without it."""

    def behave(connection: Connection) -> None:
        pause = threading.Event()
        for _ in range(1000):
            if true():
                seen.set()
                break
            pause.wait(0.01)
        then(connection)

    return behave


def test_next_archive_is_built_while_one_is_answered(meet: Met) -> None:
    seen = threading.Event()
    site, ingress = meet(**SMALL)
    ingress.script[:] = [held_until(lambda: len(archives(site)) == 2, accept(), seen), accept()]
    spooled = site.put(12)
    done = site.run()
    assert (done.status, seen.is_set()) == (0, True)
    assert (ingress.records, sorted(ingress.deliveries)) == (spooled, sorted(spooled))
    assert (site.waiting, archives(site)) == ({}, [])


def test_a_refusal_gives_it_up_and_the_order_is_kept(meet: Met) -> None:
    seen = threading.Event()
    site, ingress = meet(**SMALL)
    ingress.script[:] = [held_until(lambda: len(archives(site)) == 2, answer(413), seen), accept()]
    spooled = site.put(12)
    done = site.run()
    assert (done.status, seen.is_set()) == (0, True)
    sent = [member for upload in ingress.stored for member in upload.members]
    assert sent == sorted(spooled)
    assert archives(site) == []


def test_an_ingress_that_is_busy_leaves_the_claimed_one_only(meet: Met) -> None:
    seen = threading.Event()
    site, ingress = meet(**SMALL)
    ingress.script[:] = [held_until(lambda: len(archives(site)) == 2, answer(503, "Retry-After: 3600"), seen)]
    spooled = site.put(12)
    assert (site.run().status, seen.is_set()) == (75, True)
    assert (site.waiting, len(archives(site))) == (spooled, 1)


def test_a_kill_leaves_one_that_is_made_again(meet: Met) -> None:
    site, ingress = meet(**SMALL)
    spooled = site.put(12)
    seen = threading.Event()
    ingress.script[:] = [held_until(lambda: len(archives(site)) == 2, Connection.wait_until_gone, seen), accept()]
    with site.start("run") as run:
        assert seen.wait(20)
        run.popen.kill()
        run.wait()
    assert site.run().status == 0
    assert (ingress.records, site.waiting, archives(site)) == (spooled, {}, [])
    assert sorted(ingress.deliveries) == sorted(spooled)


def test_one_that_is_too_large_is_divided_among_those_built_ahead(meet: Met) -> None:
    site, ingress = meet(too_large(2500), **SMALL)
    spooled = site.put(12)
    assert site.run().status == 0
    assert (ingress.records, archives(site)) == (spooled, [])


def test_large_record_that_changes_meanwhile_is_left_and_keeps_nobody_from_being_sent(meet: Met) -> None:
    grown, answered = threading.Event(), threading.Event()
    site, ingress = meet()
    ingress.script[:] = [held_until(grown.is_set, accept(), answered), accept()]
    spooled = site.put(2)
    (large,) = site.put(1, content=b"{" + b" " * (64 << 20) + b"}")
    behind = site.put(2)

    def grow() -> None:
        with site.path(large).open("ab") as file:
            while not answered.is_set():
                file.write(b" }")
                file.flush()
                grown.wait(0.002)

    writer = threading.Thread(target=grow)
    timer = threading.Timer(1, grown.set)
    writer.start()
    timer.start()
    done = site.run()
    writer.join()
    assert "internal error" not in done.stderr
    assert {**spooled, **behind}.items() <= ingress.records.items(), done.stderr


def test_what_is_empty_is_asked_once_until_something_is_put_back() -> None:
    asked: list[int] = []

    def build(queue: Queue) -> Building:
        asked.append(len(asked))
        yield
        return None

    upcoming = Upcoming(Queue(()), build, lambda _: None)
    assert upcoming.step()
    assert not any([upcoming.step(), upcoming.step(), upcoming.finish(), upcoming.finish()])
    assert asked == [0]
    upcoming.put_back("transcripts/a.json")
    assert (upcoming.finish(), asked) == (None, [0, 1])
