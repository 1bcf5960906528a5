"""docs/tutorial.md tells what is really seen."""

from tests.systemd.machine import Machine
from tests.systemd.tutorial import PAGE, prepare, replay, shape


def test_the_page_shows_what_is_seen() -> None:
    text = PAGE.read_text()
    with Machine() as machine:
        seen = replay(text, prepare(machine))
    assert shape(seen) == shape(text)
