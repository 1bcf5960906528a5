import json

from tests.collector.conftest import Met
from tests.fakes.ingress_faults import answer
from tests.fakes.site import Site


def spool_of(site: Site) -> dict[str, float]:
    found: dict[str, float] = json.loads(site.collector("status", "--json").stdout)["spool"]
    return found


def test_records_bytes_and_the_oldest_are_told(site: Site) -> None:
    spooled = {**site.put(2), **site.put(1, "feedback")}
    found = spool_of(site)
    assert (found["records"], found["bytes"]) == (3, sum(map(len, spooled.values())))
    assert found["oldest"] == 1754326740.001


def test_drafts_are_neither_records_nor_strangers(site: Site) -> None:
    (member,) = site.put(1)
    site.path(member).rename(site.path(member).with_name("." + site.path(member).name))
    (site.feedback / "notes.txt").touch()
    found = spool_of(site)
    assert (found["records"], found["strangers"]) == (0, 1)


def test_what_was_sent_and_stays_does_not_wait(meet: Met) -> None:
    site, ingress = meet(cleanup_after_send=False)
    site.put(2)
    site.run()
    ingress.script = [answer(403)]
    site.put(1)
    assert site.run().report["left"] == 1
    found = spool_of(site)
    assert (found["records"], found["kept"]) == (1, 2)
