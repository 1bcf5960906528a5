import errno
import hashlib
import os
import resource
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import pytest

from lightspeed_collector import spool as module
from lightspeed_collector.archive import DRAFT, Archives
from lightspeed_collector.backlog import Queue
from lightspeed_collector.batch import Batch, Room
from lightspeed_collector.errors import StateError, StateFull
from lightspeed_collector.large import Unsettled
from lightspeed_collector.spool import Record, Spool
from lightspeed_collector.upcoming import Building
from tests.fakes.ingress_faults import unpacked


class Site:
    def __init__(self, folder: Path) -> None:
        self.storage = folder / "transcripts"
        self.outgoing = folder / "outgoing"
        self.storage.mkdir()
        self.outgoing.mkdir()
        self.spool = Spool({"transcripts": self.storage})
        self.archives = Archives(self.outgoing, 2)

    def put(self, *contents: bytes) -> dict[str, bytes]:
        made = {f"transcripts/{number:04d}.json": content for number, content in enumerate(contents)}
        for member, content in made.items():
            (self.storage / member.split("/")[1]).write_bytes(content)
        return made

    def build(self, members: Iterable[str], room: Room | None = None) -> tuple[Batch | None, list[str]]:
        """The batch, and what is left in the queue."""
        queue = Queue(members)
        return whole(self.archives.build(self.read(queue), queue, room or Room(1 << 30))), list(queue)

    def read(self, queue: Queue) -> Iterator[Record]:
        return (self.spool.read(member) for member in queue)

    def content(self, batch: Batch) -> bytes:
        return self.archives.path(batch.id).read_bytes()


def whole(building: Building) -> Batch | None:
    """All steps at once."""
    while True:
        try:
            next(building)
        except StopIteration as end:
            return cast("Batch | None", end.value)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    with made.spool:
        yield made


def test_archive_holds_the_records_in_their_order(site: Site) -> None:
    records = site.put(b"{}", b'{"a": 1}', b"", os.urandom(5000))
    batch, left = site.build(records)
    assert batch is not None
    assert unpacked(site.content(batch)) == records
    assert (list(batch.members), left) == (list(records), [])
    assert list(batch.identities) == [site.spool.look(member) for member in records]


def test_batch_is_named_by_its_bytes(site: Site) -> None:
    batch, _ = site.build(site.put(b"{}"))
    assert batch is not None
    assert batch.sha256 == hashlib.sha256(site.content(batch)).hexdigest()
    assert batch.id == batch.sha256[:32]
    assert batch.archive_bytes == len(site.content(batch))
    assert site.archives.ids() == [batch.id]
    assert site.archives.holds(batch)


def test_damaged_archive_is_not_the_one_claimed(site: Site) -> None:
    batch, _ = site.build(site.put(b"{}"))
    assert batch is not None
    site.archives.path(batch.id).write_bytes(site.content(batch)[:-1])
    assert not site.archives.holds(batch)
    site.archives.remove(batch.id)
    assert not site.archives.holds(batch)
    site.archives.remove(batch.id)


def test_record_that_no_longer_fits_goes_back(site: Site) -> None:
    records = list(site.put(*[b"{}"] * 5))
    batch, left = site.build(records, Room(1 << 30, 3))
    assert batch is not None
    assert (list(batch.members), left) == (records[:3], records[3:])


def test_nothing_to_archive_leaves_nothing(site: Site) -> None:
    assert site.build([]) == (None, [])
    assert list(site.outgoing.iterdir()) == []


def test_large_record_travels_alone(site: Site) -> None:
    large = b"{" + b" " * module.LARGE + b"}"
    records = site.put(b"{}", large, b"{}")
    first, left = site.build(records)
    second, rest = site.build(left)
    assert first is not None
    assert second is not None
    assert (list(first.members), list(second.members), rest) == ([*records][:1], [*records][1:2], [*records][2:])
    assert unpacked(site.content(second)) == {[*records][1]: large}


def test_large_record_that_changes_leaves_nothing_behind(site: Site) -> None:
    (member,) = records = site.put(b"{" + b" " * (module.LARGE * 2) + b"}")

    def shrinking(queue: Queue) -> Iterator[Record]:
        for record in site.read(queue):
            os.truncate(site.storage / member.split("/")[1], 10)
            yield record
            assert record.large is not None
            record.large.close()

    queue = Queue(records)
    with pytest.raises(Unsettled):
        whole(site.archives.build(shrinking(queue), queue, Room(1 << 30)))
    assert list(site.outgoing.iterdir()) == []


def test_memory_does_not_grow_with_the_archive(site: Site) -> None:
    records = site.put(*[os.urandom(6 << 20) for _ in range(3)])
    site.build(records)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    batch, _ = site.build(list(records) * 10)
    assert batch is not None
    assert batch.archive_bytes > 180 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 << 10


def test_full_disk_gives_the_records_back(site: Site) -> None:
    site.archives = Archives(Path("/dev/full/nowhere"), 2)
    records = list(site.put(b"{}", b"{}"))
    queue = Queue(records)
    with pytest.raises(StateError):
        whole(site.archives.build(site.read(queue), queue, Room(1 << 30)))
    assert list(queue) == records


def test_full_disk_says_how_many_did_not_fit(site: Site) -> None:
    records = list(site.put(*[os.urandom(600_000) for _ in range(8)]))
    queue = Queue(records)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(StateError) as failed:
            whole(site.archives.build(site.read(queue), queue, Room(1 << 30)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert isinstance(failed.value.__cause__, OSError)
    assert failed.value.__cause__.errno == errno.EFBIG
    assert isinstance(failed.value, StateFull)
    assert 1 < failed.value.records <= 8
    assert list(queue) == records
    assert not (site.outgoing / DRAFT).exists()


def test_draft_of_a_killed_run_is_replaced(site: Site) -> None:
    (site.outgoing / DRAFT).write_bytes(b"left behind")
    records = site.put(b"{}")
    batch, _ = site.build(records)
    assert batch is not None
    assert unpacked(site.content(batch)) == records
    assert [path.name for path in site.outgoing.iterdir()] == [f"{batch.id}.tar.gz"]


def test_build_that_is_given_up_puts_everything_back(site: Site) -> None:
    records = list(site.put(*[b"{}"] * 200))
    queue = Queue(records)
    building = site.archives.build(site.read(queue), queue, Room(1 << 30))
    next(building)
    assert list(site.outgoing.iterdir()) != []
    building.close()
    assert (list(queue), list(site.outgoing.iterdir())) == (records, [])
