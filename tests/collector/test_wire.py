"""Breaks of the connection at every point, garbage, TLS and proxies: what a run makes of them."""

import json
import os
import random
import signal
import socket
import ssl
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lightspeed_collector.wire import came_last
from tests.collector.conftest import Met
from tests.fakes import ingress_faults as faults
from tests.fakes import strace
from tests.fakes.connect_proxy import ConnectProxy
from tests.fakes.ingress_faults import Behaviour, Connection, FaultyIngress, accept
from tests.fakes.reference_ingress import Ingress
from tests.fakes.site import Site
from tests.fakes.tls import TlsFront, certificate


def place(url: str) -> str:
    return urlsplit(url).netloc


def much(site: Site) -> dict[str, bytes]:
    """Records whose archive is larger than what the kernel takes at once for a reader that doesn't read."""
    return {**site.put(2), **site.put(1, content=json.dumps({"noise": os.urandom(1 << 21).hex()}).encode())}


BREAKS: dict[str, Behaviour] = {
    "drop_request": faults.drop_request,
    "reset_at_once": faults.reset_after(0),
    "reset_in_the_body": faults.reset_after(700),
    "drop_response": faults.drop_response(store=False),
    "reset_response": faults.reset_response(store=False),
    "stall_request": faults.stall_request,
    "stall_response": faults.stall_response(store=False),
    "garbage": faults.raw(b"\x00\xff\xfe garbage \r\n\r\n" * 10),
    "no_status": faults.raw(b"HTTP/1.1 \r\n\r\n"),
    "cut_status": faults.raw(b"HTTP/1.1 20"),
    "nonsense_status": faults.raw(b"HTTP/1.1 banana OK\r\n\r\n"),
    "early_hints_only": faults.raw(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "empty": faults.raw(b""),
    "long_line": faults.raw(b"HTTP/1.1 202 " + b"A" * 100_000 + b"\r\n\r\n"),
    "many_headers": faults.raw(b"HTTP/1.1 202 OK\r\n" + b"A: b\r\n" * 500 + b"\r\n"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_broken_connection_is_tried_again(meet: Met, name: str) -> None:
    site, ingress = meet(BREAKS[name], accept(), connection_timeout_seconds=0.5)
    spooled = {**site.put(3), **site.put(1, content=json.dumps({"noise": random.randbytes(50_000).hex()}).encode())}
    assert site.run().status == 0
    assert ingress.records == spooled
    assert len({upload.archive for upload in ingress.uploads if upload.archive}) == 1


@pytest.mark.parametrize("name", ["reset_in_the_body", "garbage"])
def test_connection_that_always_breaks_keeps_everything(meet: Met, name: str) -> None:
    site, ingress = meet(BREAKS[name])
    spooled = site.put(3)
    assert site.run().status == 75
    assert (site.waiting, ingress.stored) == (spooled, [])


STORED: dict[str, Behaviour] = {
    "cut_head": faults.raw(b"HTTP/1.1 202 Accepted\r\nContent-Le", store=True),
    "cut_body": faults.raw(faults.head(202, length=500) + b'{"request', store=True),
    "bad_chunks": faults.raw(b"HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nnot a chunk", store=True),
    "bad_gzip": faults.raw(faults.head(202, ["Content-Encoding: gzip"], 4) + b"\x1f\x8bxx", store=True),
    "endless_body": faults.endless_body,
}


@pytest.mark.parametrize("name", STORED)
def test_acceptance_counts_however_its_body_ends(meet: Met, name: str) -> None:
    site, ingress = meet(STORED[name])
    spooled = site.put(3)
    done = site.run()
    assert (done.status, site.waiting, len(ingress.uploads)) == (0, {}, 1)
    assert ingress.records == spooled
    assert done.seconds < 25


@pytest.mark.parametrize("seed", range(4))
def test_answers_of_random_bytes_lose_nothing(meet: Met, seed: int) -> None:
    noise = random.Random(seed)
    answers = [
        faults.raw(b"HTTP/1.1 " * (noise.random() < 0.5) + noise.randbytes(noise.randrange(2000))) for _ in range(3)
    ]
    site, ingress = meet(*answers, accept())
    spooled = site.put(2)
    assert site.run().status in (0, 69)
    ingress.script = [accept()]
    assert site.run().status == 0
    assert ingress.records == spooled


def test_nobody_listens(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    site.configure(ingress_server_url=f"http://127.0.0.1:{port}/")
    spooled = site.put(2)
    done = site.run()
    assert done.status == 75
    assert f"127.0.0.1:{port}: connection refused" in done.stderr
    assert site.waiting == spooled


def test_name_that_no_resolver_knows(site: Site) -> None:
    site.configure(ingress_server_url="http://ingress.invalid/")
    spooled = site.put(2)
    done = site.run()
    assert (done.status, site.waiting) == (75, spooled)
    assert "ingress.invalid:80: the host's name can't be resolved" in done.stderr


def test_silence_names_the_host(meet: Met) -> None:
    site, ingress = meet(faults.stall_response(store=False), connection_timeout_seconds=0.1)
    site.put(1)
    assert f"127.0.0.1:{ingress.port}: silence for 0.1 s" in site.run().stderr


def test_certificate_is_checked(site: Site, ingress: FaultyIngress, tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with TlsFront(ingress.port, pem) as front:
        site.configure(ingress_server_url=front.url)
        spooled = site.put(2)
        done = site.run()
        assert (done.status, site.waiting) == (69, spooled)
        assert f"{place(front.url)}: TLS: self-signed certificate (see ca_bundle): everything" in done.stderr
        assert site.collector("test-connection").status == 69
        site.configure(ca_bundle=str(pem))
        assert site.run().status == 0
    assert ingress.records == spooled


def test_certificate_for_another_name(site: Site, ingress: FaultyIngress, tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with TlsFront(ingress.port, pem) as front:
        site.configure(ingress_server_url=front.url.replace("127.0.0.1", "localhost"), ca_bundle=str(pem))
        spooled = site.put(2)
        done = site.run()
    assert (done.status, site.waiting) == (69, spooled)
    assert "certificate is not valid for 'localhost' (see ingress_server_url)" in done.stderr


def test_certificate_that_has_expired(site: Site, ingress: FaultyIngress, tmp_path: Path) -> None:
    pem = certificate(tmp_path, ends_in_days=-1)
    with TlsFront(ingress.port, pem) as front:
        site.configure(ingress_server_url=front.url, ca_bundle=str(pem))
        spooled = site.put(2)
        done = site.run()
    assert (done.status, site.waiting) == (69, spooled)
    assert "TLS: certificate has expired (the server's to renew; or this machine's clock is wrong)" in done.stderr


def test_https_to_a_port_of_http(tmp_path: Path) -> None:
    with Ingress(tmp_path / "store") as ingress:
        site = Site(tmp_path / "site", ingress.url.replace("http:", "https:"))
        spooled = site.put(2)
        done = site.run()
    assert (done.status, site.waiting) == (69, spooled)
    assert f"{place(ingress.url)}: no TLS is spoken there, http perhaps: see ingress_server_url" in done.stderr


def test_connection_that_breaks_before_and_after_tls_is_tried_again(
    site: Site, ingress: FaultyIngress, tmp_path: Path
) -> None:
    pem = certificate(tmp_path)
    ingress.script = [faults.reset_after(700), faults.drop_response(store=False), accept()]
    with TlsFront(ingress.port, pem, hung_up=1) as front:
        site.configure(ingress_server_url=front.url, ca_bundle=str(pem))
        spooled = much(site)
        assert site.run().status == 0
    assert ingress.records == spooled


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        (faults.early(401), 69),
        (faults.early(413), 65),
        (faults.answer_half(401, 1000), 69),
        (faults.answer_half(413, 1000), 65),
    ],
    ids=["401", "413", "401 and reset", "413 and reset"],
)
def test_answer_before_the_body_was_read_is_heard_over_tls(tmp_path: Path, behaviour: Behaviour, status: int) -> None:
    pem = certificate(tmp_path)
    with FaultyIngress(behaviour, pem=pem) as ingress:
        site = Site(tmp_path / "site", ingress.url, ca_bundle=str(pem))
        spooled = much(site)
        done = site.run()
    assert done.status == status
    assert {**site.waiting, **site.quarantined} == spooled
    assert "broke off" not in done.stderr


def test_acceptance_of_half_an_upload_over_tls_is_none(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with FaultyIngress(faults.answer_half(202, 1000), accept(), pem=pem) as ingress:
        site = Site(tmp_path / "site", ingress.url, ca_bundle=str(pem))
        spooled = much(site)
        done = site.run()
    assert (done.status, ingress.records, len(ingress.uploads)) == (0, spooled, 2)
    assert "before it had all of the upload" in done.stderr


@pytest.mark.parametrize(
    ("behaviour", "scheme"),
    [(faults.answer_first(202), "http"), (faults.answer_around(202), "http"), (faults.answer_first(202), "https")],
    ids=["before", "around", "before over TLS"],
)
def test_acceptance_before_the_last_byte_is_none(tmp_path: Path, behaviour: Behaviour, scheme: str) -> None:
    """Also when all of it is taken afterwards: an answer to the head alone says nothing of the records.

    The answer is read late, when everything has arrived.
    """
    strace.needed()
    pem = certificate(tmp_path) if scheme == "https" else None
    with FaultyIngress(behaviour, accept(), pem=pem) as ingress:
        site = Site(tmp_path / "site", ingress.url, ca_bundle=pem and str(pem))
        spooled = site.put(1, content=json.dumps({"noise": os.urandom(1 << 20).hex()}).encode())
        slowly = ("-e", "trace=recvfrom", "-e", "inject=recvfrom:delay_enter=300000")
        done = site.run(prefix=("strace", "-f", "-o", str(tmp_path / "trace"), *slowly), environ=strace.ENVIRON)
    assert "before it had all of the upload" in done.stderr
    assert (done.status, ingress.records, len(ingress.uploads)) == (0, spooled, 2)


def test_acceptance_while_the_last_bytes_can_not_be_sent_is_none(meet: Met) -> None:
    strace.needed()

    def behave(connection: Connection) -> None:
        connection.read_body(int(connection.upload.headers["content-length"]) - 60)
        time.sleep(0.1)  # the client is about to send the rest
        connection.send(faults.head(202))
        connection.wait_until_gone()

    site, _ = meet(behave, retry_wait_seconds=1000)
    spooled = site.put(2)
    last = ("-e", "trace=sendto", "-e", "inject=sendto:error=EPIPE:delay_enter=300000:when=4")
    trace = site.folder / "trace"
    done = site.run(prefix=("strace", "-f", "-o", str(trace), *last), environ=strace.ENVIRON)
    assert "INJECTED" in trace.read_text()
    assert (done.status, site.waiting) == (75, spooled)


@pytest.mark.parametrize(
    ("head", "early", "since", "tls", "counts"),
    [
        (200, 0, 200, False, True),
        (200, 25, 230, False, True),  # after a 100 Continue that nobody asked for
        (200, 0, 1, False, False),  # the end of what the other end sends
        (200, 200, 0, False, False),
        (200, 200, 1000, False, False),  # the body of the answer came later
        (200, 0, 221, True, True),
        (200, 1500, 221, True, True),  # session tickets
        (16, 500, 25, True, False),  # the goodbye of TLS, and the end
        (200, 250, 25, True, False),
    ],
)
def test_when_a_head_came(head: int, early: int, since: int, tls: bool, counts: bool) -> None:
    assert came_last(head, early, since, tls=tls) is counts


def test_acceptance_counts_where_the_kernel_counts_no_bytes(site: Site, ingress: FaultyIngress) -> None:
    strace.needed()
    spooled = site.put(3)
    trace = str(site.folder / "trace")
    inject = ("-e", "trace=getsockopt", "-e", "inject=getsockopt:error=ENOPROTOOPT:when=2+")  # the first is of connect
    assert site.run(prefix=("strace", "-f", "-o", trace, *inject), environ=strace.ENVIRON).status == 0
    assert "TCP_INFO" in Path(trace).read_text()
    assert (ingress.records, len(ingress.uploads)) == (spooled, 1)


def test_token_server_with_an_unknown_certificate(site: Site, ingress: FaultyIngress, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cr3t")
    with TlsFront(ingress.port, certificate(tmp_path)) as front:
        oauth2 = {"token_url": f"{front.url}?key=h1dden", "client_id": "me", "client_secret_file": str(secret)}
        site.configure(oauth2=oauth2)
        spooled = site.put(1)
        done = site.run()
    assert (done.status, site.waiting) == (69, spooled)
    assert f"oauth2.token_url: {place(front.url)}: TLS: self-signed certificate (see ca_bundle)" in done.stderr
    assert "h1dden" not in done.stderr


def test_proxy_of_the_environment_is_used(site: Site, ingress: FaultyIngress) -> None:
    site.configure(ingress_server_url="http://ingress.invalid/upload")
    spooled = site.put(2)
    environ = {"HTTP_PROXY": f"http://127.0.0.1:{ingress.port}", "http_proxy": f"http://127.0.0.1:{ingress.port}"}
    assert site.run(environ=environ).status == 0
    assert ingress.records == spooled
    assert ingress.uploads[0].path == "http://ingress.invalid/upload"


def test_no_proxy_of_the_environment_is_obeyed(site: Site, ingress: FaultyIngress) -> None:
    spooled = site.put(2)
    environ = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.0/8"}
    assert site.run(environ=environ).status == 0
    assert ingress.records == spooled


def test_proxy_that_is_down_is_named_without_its_password(site: Site) -> None:
    site.put(1)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    proxy = f"http://me:s3cr3t@127.0.0.1:{port}"
    done = site.run(environ={"HTTP_PROXY": proxy, "http_proxy": proxy})
    assert done.status == 75
    assert f"the proxy 127.0.0.1:{port}: connection refused" in done.stderr
    assert "s3cr3t" not in done.stderr


@pytest.mark.parametrize(
    "proxy", ["http://me:12/s3cr3t@127.0.0.1:9", "http://s3cr3t/x@127.0.0.1:9", "http://s3cr3t:x/y@127.0.0.1"]
)
def test_proxy_whose_password_is_not_escaped_shows_none_of_it(site: Site, proxy: str) -> None:
    site.configure(ingress_server_url="https://ingress.invalid/upload")
    spooled = site.put(1)
    done = site.run(environ={"HTTPS_PROXY": proxy})
    assert (done.status in (75, 78), site.waiting) == (True, spooled)
    assert "s3cr3t" not in done.stderr
    assert "me:12" not in done.stderr


def test_https_goes_through_the_proxy_with_its_password(site: Site, ingress: FaultyIngress, tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with TlsFront(ingress.port, pem) as front, ConnectProxy() as proxy:
        site.configure(ingress_server_url=front.url, ca_bundle=str(pem), ingress_server_auth_token="t0k3n")
        spooled = site.put(2)
        assert site.run(environ={"HTTPS_PROXY": f"http://me:s3cr3t@{proxy.address}"}).status == 0
    assert ingress.records == spooled
    (asked,) = proxy.asked
    assert asked.startswith("CONNECT 127.0.0.1:")
    assert "Proxy-Authorization: Basic bWU6czNjcjN0" in asked
    assert "t0k3n" not in asked


def test_certificate_behind_a_proxy_names_both(site: Site, ingress: FaultyIngress, tmp_path: Path) -> None:
    with TlsFront(ingress.port, certificate(tmp_path)) as front, ConnectProxy() as proxy:
        site.configure(ingress_server_url=front.url)
        site.put(1)
        done = site.run(environ={"HTTPS_PROXY": f"http://me:s3cr3t@{proxy.address}"})
        assert f"{place(front.url)} through the proxy {proxy.address}: TLS: self-signed certificate" in done.stderr
    assert done.status == 69
    assert "s3cr3t" not in done.stderr


@pytest.mark.parametrize(("refusal", "status"), [("407 Proxy Authentication Required", 69), ("502 Bad Gateway", 75)])
def test_proxy_that_makes_no_tunnel(meet: Met, refusal: str, status: int) -> None:
    site, proxy = meet(faults.raw(f"HTTP/1.1 {refusal}\r\n\r\n".encode()))
    site.configure(ingress_server_url="https://ingress.invalid/upload")
    spooled = site.put(1)
    done = site.run(environ={"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"})
    assert (done.status, site.waiting) == (status, spooled)
    assert f"the proxy 127.0.0.1:{proxy.port}: it answered {refusal[:3]}" in done.stderr
    assert "HTTPS_PROXY" in done.stderr


def test_stalled_tls_upload_through_a_proxy_ends_with_a_signal(meet: Met, tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    site, ingress = meet(faults.stall_response(store=False))
    with TlsFront(ingress.port, pem) as front, ConnectProxy() as proxy:
        site.configure(ingress_server_url=front.url, ca_bundle=str(pem))
        spooled = site.put(2)
        with site.start("run", environ={"HTTPS_PROXY": f"http://{proxy.address}"}) as run:
            ingress.arrivals.get(timeout=30)
            run.signal(signal.SIGTERM)
            assert run.wait(5) == 75
    assert site.waiting == spooled


def test_tls_to_the_proxy_and_through_it(meet: Met, tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    site, ingress = meet(faults.stall_response(store=False), accept(), upload_deadline_seconds=1)
    with TlsFront(ingress.port, pem) as front, ConnectProxy() as proxy, TlsFront(proxy.port, pem) as outer:
        site.configure(ingress_server_url=front.url, ca_bundle=str(pem))
        spooled = site.put(2)
        done = site.run(environ={"HTTPS_PROXY": outer.url.removesuffix("/v1")})
    assert "no answer within 1 s (upload_deadline_seconds)" in done.stderr
    assert (done.status, ingress.records, len(ingress.uploads)) == (0, spooled, 2)


@pytest.mark.parametrize("place", ["path", "credential"])
def test_client_certificate_is_shown(site: Site, ingress: FaultyIngress, tmp_path: Path, place: str) -> None:
    server, ours = certificate(tmp_path), certificate(tmp_path, "127.0.0.2")
    front = TlsFront(ingress.port, server)
    front._context.verify_mode = ssl.CERT_REQUIRED
    front._context.load_verify_locations(ours)
    with front:
        site.configure(ingress_server_url=front.url, ca_bundle=str(server))
        spooled = much(site)
        done = site.run()
        assert (done.status, site.waiting) == (69, spooled)
        assert "certificate required: it wants a client certificate, or another one (see client_cert)" in done.stderr
        site.configure(client_cert=str(ours) if place == "path" else ours.name)
        assert site.run(environ={"CREDENTIALS_DIRECTORY": str(tmp_path)}).status == 0
    assert ingress.records == spooled
