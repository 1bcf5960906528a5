"""Finds out what a refused batch was refused for: its size, one of its records, or us. Values only.

Too large: halve until it passes; a record that is refused alone is the culprit. Malformed: the same, but first single
records show whether anything passes at all: the oldest, the newest, and one between, another each time. When all three are
refused, and nothing was accepted, the fault is ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lightspeed_collector.answers import Answer, Meaning
from lightspeed_collector.batch import Batch, Room
from lightspeed_collector.retention import Entry

MOST_IN_A_ROW = 10
_PROBES = 3


class Verdict(NamedTuple):
    """What to do with a refused batch: send `again` in smaller batches, set `culprits` aside, or blame ourselves."""

    again: tuple[str, ...] = ()
    culprits: tuple[Entry, ...] = ()
    ours: bool = False


class Inquiry:
    def __init__(self, room: Room, choose: Callable[[int], int]) -> None:
        """`choose` gives any number below its argument."""
        self._room = room
        self._choose = choose
        self._trusted = False
        self._suspects: list[Entry] = []
        self._probing = False
        self._in_a_row = 0
        self.undecided = ""
        """What a record was answered when nothing has shown yet that others pass."""

    def accepted(self) -> tuple[Entry, ...]:
        """A batch passed, so our way of sending is good: the suspects are culprits."""
        culprits = tuple(self._suspects)
        if culprits or self._probing:
            self._room.widen()
        self._trusted, self._suspects, self._in_a_row, self.undecided = True, [], 0, ""
        self._probing = False
        return culprits

    def refused(self, batch: Batch, answer: Answer) -> Verdict:
        count = len(batch.members)
        malformed = answer.meaning is Meaning.MALFORMED
        if count > 1:
            self._probing = malformed and not self._trusted
            self._room.narrow(1 if self._probing else count // 2)
            return Verdict(again=self._probes_first(batch.members) if self._probing else batch.members)
        entry = Entry(batch.members[0], batch.identities[0])
        if not malformed or self._trusted:
            return self._convict(entry, answer)
        self._suspects.append(entry)
        self.undecided = answer.text
        return Verdict(ours=len(self._suspects) == _PROBES)

    def _convict(self, entry: Entry, answer: Answer) -> Verdict:
        """Unless the ingress takes nothing at all any more: a whole spool is never set aside."""
        self._in_a_row += answer.status is not None
        if self._in_a_row > MOST_IN_A_ROW:
            return Verdict(ours=True)
        self._room.widen()
        return Verdict(culprits=(entry,))

    def _probes_first(self, members: tuple[str, ...]) -> tuple[str, ...]:
        """The first, the last and one between, then the others in their order."""
        between = members[1:-1] or members
        first = dict.fromkeys((members[0], members[-1], between[self._choose(len(between))]))
        return (*first, *(member for member in members if member not in first))
