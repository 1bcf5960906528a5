"""What a run leaves in the spool although it waits: to send it now could be to send it twice, or against a request."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

from lightspeed_collector import names
from lightspeed_collector.forget import Key, key


@dataclass
class Withheld(Container[str]):
    """`storages` that were not listed to their end, so that a request may be in the rest; `keys` of conversations that are
    to be forgotten and of which a record is still there; single `members`."""

    storages: set[str] = field(default_factory=set)
    keys: set[Key] = field(default_factory=set)
    members: set[str] = field(default_factory=set)

    def __contains__(self, member: object) -> bool:
        if not (self.keys or self.storages or self.members):
            return False
        assert isinstance(member, str)
        return member in self.members or key(member) in self.keys or names.split(member)[0] in self.storages
