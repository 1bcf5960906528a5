"""Whose fault a refusal is: every mixture of good and bad records, against an ingress made of a rule."""

from hypothesis import given
from hypothesis import strategies as st

from lightspeed_collector.answers import Answer, Meaning
from lightspeed_collector.batch import Batch, Identity, Room
from lightspeed_collector.culprit import MOST_IN_A_ROW, Inquiry

SAME = Identity(2, 3, 4)
ACCEPTED = Answer(Meaning.ACCEPTED, "202", 202)


class Play:
    """Sends all records in batches, as the pipeline does."""

    def __init__(self, bad: set[str], meaning: Meaning, records: int = 8) -> None:
        self.room = Room(1 << 30, records)
        self.inquiry = Inquiry(self.room, lambda number: number // 2)
        self.bad = bad
        self.refusal = Answer(meaning, "no", 400 if meaning is Meaning.MALFORMED else 413)
        self.sent: list[str] = []
        self.convicted: list[str] = []
        self.uploads = 0
        self.blamed = False

    def play(self, waiting: list[str]) -> None:
        while waiting and not self.blamed:
            self.room.empty()
            members = [member for member in waiting if self.room.admits(3)][: len(waiting)]
            waiting = waiting[len(members) :]
            again = self.upload(Batch("id", "sha", 1, tuple(members), (SAME,) * len(members)))
            waiting = [*again, *waiting]

    def upload(self, batch: Batch) -> tuple[str, ...]:
        self.uploads += 1
        if not self.bad & set(batch.members):
            self.sent += batch.members
            self.convicted += [entry.member for entry in self.inquiry.accepted()]
            return ()
        verdict = self.inquiry.refused(batch, self.refusal)
        self.convicted += [entry.member for entry in verdict.culprits]
        self.blamed = verdict.ours
        return verdict.again


@given(st.integers(1, 60), st.sets(st.integers(0, 59), max_size=6))
def test_records_too_large_are_found_and_all_others_go(count: int, bad: set[int]) -> None:
    members = [f"{number:02d}" for number in range(count)]
    culprits = {members[number] for number in bad if number < count}
    play = Play(culprits, Meaning.TOO_LARGE)
    play.play(members)
    assert set(play.convicted) == culprits
    assert play.sent == [member for member in members if member not in culprits]


@given(st.integers(3, 60), st.sets(st.integers(0, 59), max_size=8), st.integers(0, 2))
def test_malformed_records_are_found_and_all_others_go(count: int, bad: set[int], good: int) -> None:
    """Wherever they are, unless they are the oldest, the newest and the one chosen between."""
    members = [f"{number:02d}" for number in range(count)]
    probes = (members[0], members[-1], members[1 + (count - 2) // 2])
    culprits = {members[number] for number in bad if number < count} - {probes[good]}
    play = Play(culprits, Meaning.MALFORMED, count)
    play.play(members)
    assert (set(play.convicted), play.blamed) == (culprits, False)
    assert sorted(play.sent) == [member for member in members if member not in culprits]


def test_malformed_record_is_found_by_halving() -> None:
    members = [f"{number:03d}" for number in range(1000)]
    play = Play({"777"}, Meaning.MALFORMED, len(members))
    play.play(members)
    assert play.convicted == ["777"]
    assert play.uploads < 30


def test_refusal_that_passes_does_not_make_small_batches() -> None:
    members = [f"{number:03d}" for number in range(1000)]
    play = Play({"000"}, Meaning.MALFORMED, len(members))
    play.upload(Batch("id", "sha", 1, tuple(members), (SAME,) * len(members)))
    play.bad = set()
    play.play(members)
    assert (play.sent, play.uploads) == (members, 3)


@given(st.integers(1, 60), st.data())
def test_probes_are_different_records_of_the_batch(count: int, data: st.DataObject) -> None:
    members = tuple(f"{number:02d}" for number in range(count))
    inquiry = Inquiry(Room(1 << 30), lambda number: data.draw(st.integers(0, number - 1)))
    if count > 1:
        batch = Batch("id", "sha", 1, members, (SAME,) * count)
        again = inquiry.refused(batch, Answer(Meaning.MALFORMED, "no", 400)).again
        assert sorted(again) == list(members)
        assert again[:2] == (members[0], members[-1])


@given(st.integers(3, 60))
def test_ingress_that_calls_all_malformed_is_not_believed(count: int) -> None:
    members = [f"{number:02d}" for number in range(count)]
    play = Play(set(members), Meaning.MALFORMED)
    play.play(members)
    assert (play.blamed, play.convicted, play.sent) == (True, [], [])
    assert play.uploads <= 4


def test_ingress_that_calls_all_too_large_is_not_believed_for_long() -> None:
    members = [f"{number:02d}" for number in range(60)]
    play = Play(set(members), Meaning.TOO_LARGE)
    play.play(members)
    assert play.blamed
    assert len(play.convicted) == MOST_IN_A_ROW


def test_records_too_large_by_our_own_measure_are_all_set_aside() -> None:
    inquiry = Inquiry(Room(1 << 30), int)
    ours = Answer(Meaning.TOO_LARGE, "over max_archive_bytes")
    for number in range(50):
        assert inquiry.refused(Batch("id", "sha", 1, (str(number),), (SAME,)), ours).culprits


def test_single_suspect_stays_undecided_until_another_passes() -> None:
    inquiry = Inquiry(Room(1 << 30), int)
    verdict = inquiry.refused(Batch("id", "sha", 1, ("a",), (SAME,)), Answer(Meaning.MALFORMED, "400 Bad Request", 400))
    assert (verdict.ours, verdict.culprits, inquiry.undecided) == (False, (), "400 Bad Request")
    assert [entry.member for entry in inquiry.accepted()] == ["a"]
    assert inquiry.undecided == ""
