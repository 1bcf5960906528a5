"""The next batch's archive, built in small steps while the batch before it is on its way.

Nothing here waits, and no thread is involved: whoever waits for the network takes a step instead. What goes wrong
is told when the batch is asked for, as if it had been built then.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

from lightspeed_collector.backlog import Queue
from lightspeed_collector.batch import Batch
from lightspeed_collector.errors import Error, StateFull
from lightspeed_collector.large import Unsettled

Building = Generator[None, None, Batch | None]


class Upcoming:
    def __init__(self, queue: Queue, build: Callable[[Queue], Building], give_up: Callable[[Batch], None]) -> None:
        """`build` takes from `queue`, and puts back what it took when it is closed; `give_up` removes an archive that was
        built and not asked for."""
        self._queue = queue
        self._build = build
        self._give_up = give_up
        self._building: Building | None = None
        self._batch: Batch | None = None
        self._error: Error | Unsettled | None = None
        self._is_empty = False

    def step(self) -> bool:
        """Go on a little; whether there is more to do. Raises nothing."""
        if self._batch or self._error or self._is_empty:
            return False
        self._building = self._building or self._build(self._queue)
        try:
            next(self._building)
        except StopIteration as end:
            self._batch = end.value
            self._is_empty = end.value is None
        except (Error, Unsettled) as error:
            self._error = error
        else:
            return True
        self._building = None
        return False

    def finish(self) -> Batch | None:
        """The batch, None when nothing is left. Raises what `Archives.build` raises."""
        if isinstance(self._error, StateFull):
            self._error = None  # the batch before was in the way, and is gone now
        while self.step():
            pass
        batch, error = self._batch, self._error
        self._batch = self._error = None
        if error:
            raise error
        return batch

    def put_back(self, *members: str) -> None:
        """The next batch begins with these; one that was begun without them is given up."""
        self.close()
        self._queue.put_back(*members)
        self._is_empty = False

    def close(self) -> None:
        building, batch = self._building, self._batch
        self._building = self._batch = self._error = None
        if building:
            building.close()
        if batch:
            self._queue.put_back(*batch.members)
            self._is_empty = False
            self._give_up(batch)
