"""`test-connection` through the real command."""

from pathlib import Path

import pytest

from tests.collector.conftest import Met
from tests.fakes import ingress_faults as faults
from tests.fakes.ingress_faults import FaultyIngress, answer
from tests.fakes.reference_ingress import Ingress
from tests.fakes.site import Site


def test_connection_test_is_sent_with_our_credentials_and_stores_nothing(site: Site, ingress: FaultyIngress) -> None:
    site.configure(ingress_server_auth_token="xxyyzz", enabled=False)
    site.put(1)
    done = site.collector("test-connection")
    assert done.status == 0
    assert "request id r-test" in done.stdout
    (upload,) = ingress.uploads
    assert (upload.headers["content-type"], upload.body) == ("application/x-www-form-urlencoded", b"test=test")
    assert upload.headers["authorization"] == "Bearer xxyyzz"
    assert (ingress.stored, len(site.waiting), site.state.exists()) == ([], 1, False)


def test_reference_ingress_passes_it_without_a_word_on_the_service(tmp_path: Path) -> None:
    with Ingress(tmp_path / "store", "--services", "others") as ingress:
        site = Site(tmp_path / "site", ingress.url)
        done = site.collector("test-connection")
        assert ingress.stored() == []
        site.put(1)
        assert site.run().status == 69
    assert done.status == 0
    first, second = done.stdout.splitlines()
    assert first.startswith("the ingress answers its connection test: 200 in ")
    assert second.startswith("not part of the test: ingress_content_service_name")


@pytest.mark.parametrize(
    ("behaviour", "status", "text"),
    [
        (answer(401), 69, "ingress_server_auth_token"),
        (answer(404), 69, "ingress_server_url"),
        (answer(302), 69, "redirects are not followed"),
        (answer(202), 69, "202"),
        (answer(503), 75, "503"),
        (faults.drop_response(store=False), 75, "the connection broke off"),
    ],
)
def test_what_is_wrong_is_told(meet: Met, behaviour: faults.Behaviour, status: int, text: str) -> None:
    site, _ = meet(behaviour)
    done = site.collector("test-connection")
    assert (done.status, done.stdout) == (status, "")
    assert text in done.stderr


def test_url_that_is_missing(site: Site) -> None:
    site.configure(ingress_server_url=None, enabled=False)
    done = site.collector("test-connection")
    assert done.status == 78
    assert "ingress_server_url" in done.stderr
