"""`run --dry-run` through the real command."""

from tests.collector.conftest import Met
from tests.fakes.ingress_faults import FaultyIngress, answer
from tests.fakes.site import Site


def contents(site: Site) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in site.folder.rglob("*") if path.is_file()}


def test_shows_the_batches_and_changes_nothing(site: Site, ingress: FaultyIngress) -> None:
    site.configure(max_archive_bytes=8192)
    spooled = list(site.put(5))
    before = contents(site)
    done = site.collector("run", "--dry-run")
    assert (done.status, ingress.uploads, contents(site)) == (0, [], before)
    assert not site.state.exists()
    assert f"would send 5 records in 2 batches to {ingress.url}" in done.stdout
    assert spooled[0] in done.stdout
    assert spooled[-1] in done.stdout


def test_batches_are_those_that_the_run_makes(site: Site, ingress: FaultyIngress) -> None:
    site.configure(max_archive_bytes=8192)
    site.put(7)
    planned = site.run("--dry-run").report["would_send"]
    site.run()
    made = [list(upload.members) for upload in ingress.stored]
    assert [(one["records"], one["first"], one["last"]) for one in planned] == [
        (len(one), one[0], one[-1]) for one in made
    ]


def test_pending_batch_goes_first_under_its_id(meet: Met) -> None:
    site, ingress = meet(answer(503))
    site.put(2)
    site.run()
    site.put(1)
    first, second = site.run("--dry-run").report["would_send"]
    assert (first["id"], first["records"], second["id"], second["records"]) == (ingress.uploads[0].batch_id, 2, None, 1)


def test_it_shows_even_when_the_collector_is_off(site: Site) -> None:
    site.configure(enabled=False)
    site.put(1)
    assert "would send 1 records" in site.collector("run", "--dry-run").stdout


def test_nothing_to_send(site: Site) -> None:
    done = site.run("--dry-run")
    assert (done.status, done.report["would_send"], done.report["left"]) == (0, [], 0)
