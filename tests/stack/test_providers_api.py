"""What a chat-completions server is sent besides the question: the key, headers, its own paths."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightspeed_stack import errors
from lightspeed_stack.daemon.credentials import CredentialError
from lightspeed_stack.daemon.schema import Secret
from lightspeed_stack.daemon.version import VERSION
from lightspeed_stack.providers.api import Key
from lightspeed_stack.providers.base import Message
from lightspeed_stack.providers.openai import OpenAI
from tests.fakes.provider import FakeProvider
from tests.fakes.providers import settings

HI = [Message("user", "hi")]


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


def test_the_usual_headers(fake: FakeProvider) -> None:
    OpenAI(settings(fake.url)).ask(HI, "ok")
    headers = dict(fake.asked[0].headers)
    assert headers.pop("content-length")
    assert headers == {
        "host": f"127.0.0.1:{fake.port}",
        "user-agent": f"lightspeed-stack/{VERSION}",
        "accept-encoding": "identity",
        "content-type": "application/json",
    }


def test_a_key_and_headers_of_ones_own(fake: FakeProvider) -> None:
    own = {"api-key": Secret("azure"), "user-agent": Secret("me"), "X-Name": Secret("Žofie".encode().decode("latin-1"))}
    OpenAI(settings(fake.url, api_key=Secret("sk-1"), headers=own)).ask(HI, "ok")
    headers = fake.asked[0].headers
    assert headers["authorization"] == "Bearer sk-1"
    assert (headers["api-key"], headers["user-agent"], headers["x-name"]) == ("azure", "me", "Å½ofie")


def test_a_query_stays_behind_every_path(fake: FakeProvider) -> None:
    provider = OpenAI(settings(f"{fake.url}/deployments/d?api-version=1"))
    with pytest.raises(errors.Error):
        provider.ask(HI, "ok")
    assert fake.asked[0].path == "/v1/deployments/d/chat/completions?api-version=1"


def test_a_key_file_is_read_anew_when_it_changes(fake: FakeProvider, tmp_path: Path) -> None:
    file = tmp_path / "key"
    provider = OpenAI(settings(fake.url, api_key_file=file))
    with pytest.raises(errors.ProviderFailed):
        provider.ask(HI, "ok")
    for key in ("sk-one", "sk-two"):
        fresh = tmp_path / "fresh"
        fresh.write_text(f"{key}\n")
        fresh.rename(file)
        provider.ask(HI, "ok")
    assert [request.headers["authorization"] for request in fake.asked] == ["Bearer sk-one", "Bearer sk-two"]
    file.unlink()
    with pytest.raises(errors.ProviderFailed):
        list(provider.stream(HI, "ok"))


def test_a_key_file_is_not_read_for_every_question(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-one")
    key = Key(None, file, {})
    assert key.header() == "Authorization: Bearer sk-one\r\n"
    status = file.stat()
    with file.open("r+") as same:
        same.write("sk-two")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert key.header() == "Authorization: Bearer sk-one\r\n"
    file.touch()
    assert key.header() == "Authorization: Bearer sk-two\r\n"


def test_a_systemd_credential(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-cred")
    key = Key(None, Path("key"), {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert key.header() == "Authorization: Bearer sk-cred\r\n"


def test_no_key() -> None:
    assert Key(None, None, {}).header() == ""


@pytest.mark.parametrize("text", ["sk\r\nX-Evil: 1", "sk-\u0100", "sk\0"])
def test_a_key_that_no_header_can_carry(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(CredentialError) as caught:
        Key(None, tmp_path / "key", {}).header()
    assert "sk" not in str(caught.value)
