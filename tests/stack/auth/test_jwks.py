from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.auth import jwks
from tests.fakes.key_server import KeyServer, Signer
from tests.fakes.threads import exhausted

ONE, TWO = Signer("RS256", "one"), Signer("ES256", "two")


class Clock:
    """Stands still until told, and moves on for `wait` as a real one."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with KeyServer(ONE) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


def client(server: KeyServer, clock: Clock, timeout: float = 5.0) -> jwks.KeyServer:
    return jwks.KeyServer(server.url, None, timeout, clock)


def found(keys: jwks.KeyServer, kid: str | None, algorithm: str = "RS256") -> bool:
    return keys.find(kid, algorithm) is not None


def fetches_end() -> bool:
    """Whether the threads of all fetches end by themselves, soon."""
    running = [thread for thread in threading.enumerate() if thread.name == "jwks"]
    for thread in running:
        thread.join(5)
    return not any(thread.is_alive() for thread in running)


def test_keys_are_fetched_once(server: KeyServer, clock: Clock) -> None:
    keys = client(server, clock)
    assert all(found(keys, "one") for _ in range(5))
    clock.ahead = 3590
    assert found(keys, "one")
    assert server.count == 1


def test_keys_are_fetched_anew_after_an_hour(server: KeyServer, clock: Clock) -> None:
    keys = client(server, clock)
    assert found(keys, "one")
    server.publish(TWO)
    clock.ahead = 3601
    assert not found(keys, "one")
    assert server.count == 2


def test_an_unknown_key_has_the_set_fetched_anew_but_not_each_time(server: KeyServer, clock: Clock) -> None:
    keys = client(server, clock)
    assert found(keys, "one")
    server.publish(ONE, TWO)
    assert not found(keys, "two", "ES256")
    assert server.count == 1
    clock.ahead = 11
    assert found(keys, "two", "ES256")
    assert [found(keys, f"no-{number}") for number in range(20)] == [False] * 20
    assert server.count == 2


def test_without_a_name_the_first_key_of_that_algorithm_serves(server: KeyServer, clock: Clock) -> None:
    server.publish(ONE, TWO)
    keys = client(server, clock)
    key = keys.find(None, "ES256")
    assert key is not None
    assert key.kid == "two"
    assert not found(keys, None, "EdDSA")
    assert server.count == 1


def test_many_requests_make_one_fetch(server: KeyServer, clock: Clock) -> None:
    server.gate.clear()
    keys = client(server, clock)
    with ThreadPoolExecutor(16) as pool:
        waiting = [pool.submit(found, keys, "one") for _ in range(16)]
        server.gate.set()
        assert all(one.result() for one in waiting)
    assert server.count == 1


def test_no_request_waits_longer_than_its_deadline(server: KeyServer, clock: Clock) -> None:
    server.gate.clear()
    keys = client(server, clock, timeout=0.2)
    start = time.monotonic()
    with pytest.raises(jwks.Unavailable, match="Unable to reach authentication key server"):
        keys.find("one", "RS256")
    assert time.monotonic() - start < 20


def test_an_endless_answer_is_given_up(server: KeyServer, clock: Clock) -> None:
    server.endless = True
    with pytest.raises(jwks.Unavailable, match="Authentication key server returned invalid data"):
        client(server, clock).find("one", "RS256")


def test_an_answer_that_drips_is_given_up(server: KeyServer, clock: Clock) -> None:
    server.endless, server.drip_seconds = True, 0.02
    with pytest.raises(jwks.Unavailable, match="Unable to reach authentication key server"):
        client(server, clock, timeout=0.3).find("one", "RS256")
    assert fetches_end()


ENDLESS = {"headers": (b"HTTP/1.1 200 OK\r\nX-A: ", b"x"), "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n")}


def with_keys_of_a_server_that_is_down(server: KeyServer, clock: Clock) -> jwks.KeyServer:
    """Nobody waits for a fetch where keys are at hand and the last fetch failed."""
    keys = client(server, clock, timeout=15)
    assert found(keys, "one")
    server.status = 503
    clock.ahead = 3700
    assert found(keys, "one")
    server.status = 200
    return keys


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_fetch_that_never_ends_is_given_up_for_another(server: KeyServer, clock: Clock, kind: str) -> None:
    keys = with_keys_of_a_server_that_is_down(server, clock)
    server.stall = ENDLESS[kind]
    clock.ahead += 11
    assert found(keys, "one")
    assert server.stalls.wait(20)
    server.stall = (b"", b"")
    server.publish(TWO)
    clock.ahead += 31
    assert found(keys, "two", "ES256")


def test_what_was_given_up_changes_nothing_when_it_comes_after_all(server: KeyServer, clock: Clock) -> None:
    keys = with_keys_of_a_server_that_is_down(server, clock)
    server.stall = ENDLESS["headers"]
    clock.ahead += 11
    assert found(keys, "one")
    assert server.stalls.wait(20)
    server.stall = (b"", b"")
    server.publish(TWO)
    clock.ahead += 31
    assert found(keys, "two", "ES256")
    server.resumed.set()
    assert fetches_end()
    assert found(keys, "two", "ES256")
    assert not found(keys, "one")


def test_fetches_that_never_end_stay_few(server: KeyServer, clock: Clock) -> None:
    keys = with_keys_of_a_server_that_is_down(server, clock)
    assert fetches_end()
    server.stall = ENDLESS["continue"]
    for _ in range(1000):
        clock.ahead += 31
        assert found(keys, "one")
    assert 5 < sum(thread.name == "jwks" for thread in threading.enumerate()) < 12
    server.resumed.set()
    assert fetches_end()


def test_where_no_thread_can_start_there_are_no_keys_for_now(server: KeyServer, clock: Clock) -> None:
    keys = client(server, clock, timeout=15)
    with exhausted(), pytest.raises(jwks.Unavailable, match="Unable to reach authentication key server"):
        keys.find("one", "RS256")
    clock.ahead = 3
    assert found(keys, "one")


def test_where_no_thread_can_start_the_keys_at_hand_serve_on(server: KeyServer, clock: Clock) -> None:
    keys = client(server, clock, timeout=15)
    assert found(keys, "one")
    server.publish(ONE, TWO)
    clock.ahead = 3700
    with exhausted():
        assert found(keys, "one")
        assert not found(keys, "two", "ES256")
    clock.ahead += 11
    assert found(keys, "two", "ES256")


def test_keys_serve_on_while_the_server_is_down(server: KeyServer, clock: Clock) -> None:
    keys = client(server, clock)
    assert found(keys, "one")
    server.status = 503
    for hours in (2, 10, 23):
        clock.ahead = hours * 3600
        assert found(keys, "one")
    clock.ahead = 25 * 3600
    with pytest.raises(jwks.Unavailable, match="Unable to reach"):
        keys.find("one", "RS256")


def test_with_keys_at_hand_nobody_waits_for_a_server_that_is_down(server: KeyServer, clock: Clock) -> None:
    keys = client(server, clock, timeout=30)
    assert found(keys, "one")
    server.status = 503
    clock.ahead = 3700
    assert found(keys, "one")
    server.gate.clear()
    clock.ahead = 3800
    start = time.monotonic()
    assert found(keys, "one")
    assert time.monotonic() - start < 20


def test_a_server_that_comes_back_is_found_again(server: KeyServer, clock: Clock) -> None:
    server.status = 500
    keys = client(server, clock)
    for _ in range(3):
        with pytest.raises(jwks.Unavailable):
            keys.find("one", "RS256")
    assert server.count == 1
    server.status = 200
    clock.ahead = 3
    assert found(keys, "one")


def test_a_server_that_is_not_there(clock: Clock) -> None:
    with KeyServer() as gone:
        url = gone.url
    with pytest.raises(jwks.Unavailable, match="Unable to reach"):
        jwks.KeyServer(url, None, 5, clock).find("one", "RS256")


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"<html>Sign in</html>", "Authentication key server returned invalid data"),
        (b"", "Authentication key server returned invalid data"),
        (b"\xff\xfe\x00", "Authentication key server returned invalid data"),
        (b"[" * 100_000, "Authentication key server returned invalid data"),
        (b"[]", "Authentication keys are malformed"),
        (b'{"keys": {}}', "Authentication keys are malformed"),
        (b'{"keys": []}', "Authentication keys are malformed"),
        (
            b'{"keys": [1, null, {"kty": "RSA"}, {"kty": 5}, {"kty": "RSA", "n": "!", "e": "AQAB"}]}',
            "Authentication keys are malformed",
        ),
    ],
)
def test_an_answer_that_is_no_key_set(server: KeyServer, clock: Clock, body: bytes, cause: str) -> None:
    server.body = body
    with pytest.raises(jwks.Unavailable) as caught:
        client(server, clock).find("one", "RS256")
    assert str(caught.value) == cause


def test_no_password_of_a_netrc_is_sent(
    server: KeyServer, clock: Clock, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathlib import Path

    netrc = Path(str(tmp_path), "netrc")
    netrc.write_text("machine 127.0.0.1 login bob password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert found(client(server, clock), "one")
    assert "Authorization" not in server.headers[0]


def entry(**changes: object) -> bytes:
    public = {**ONE.public, **changes}
    return json.dumps({"keys": [{name: value for name, value in public.items() if value is not None}]}).encode()


def test_a_key_without_an_algorithm_serves_those_of_its_kind() -> None:
    [key] = jwks.parse(entry(alg=None))
    assert key.algorithms == ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


def test_a_private_key_that_is_published_serves_as_a_public_one() -> None:
    [key] = jwks.parse(entry(d="AQAB"))
    assert type(key.key).__name__ == "RSAPublicKey"


@pytest.mark.parametrize(
    "changes",
    [
        {"use": "enc"},
        {"alg": "HS256"},
        {"alg": "none"},
        {"alg": "RSA-OAEP"},
        {"alg": 7},
        {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"},
        {"kty": "oct", "k": "c2VjcmV0", "alg": "RS256"},
        {"kty": ["RSA"]},
        {"kty": "EC", "crv": []},
        {"kty": "EC", "crv": {}},
        {"n": None},
        {"n": 5},
    ],
)
def test_a_key_that_cannot_verify_is_none(changes: dict[str, object]) -> None:
    with pytest.raises(jwks.Unavailable, match="Authentication keys are malformed"):
        jwks.parse(entry(**changes))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["RSA", "EC", "oct", "AQAB", "P-256"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["keys", "kty", "n", "e", "crv", "x", "y", "alg", "kid", "use"]), inner, max_size=6
        )
    ),
    max_leaves=12,
)


@given(JSON.map(lambda value: json.dumps({"keys": value}).encode()) | st.binary(max_size=50))
def test_any_answer_is_read_or_refused(body: bytes) -> None:
    with pytest.raises(jwks.Unavailable):
        jwks.parse(body)
