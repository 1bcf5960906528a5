from __future__ import annotations

from pathlib import Path

from flask.testing import FlaskClient

from tests.fakes.application import application
from tests.stack.conftest import MakeClient

MINE = "/v1/me/data-collection"


def test_everybody_is_recorded_until_they_say_otherwise(client: FlaskClient) -> None:
    assert client.get(MINE).data == b'{"enabled":true}'


def test_it_is_set_for_oneself(client: FlaskClient) -> None:
    assert client.put(f"{MINE}?user_id=alice", json={"enabled": False}).data == b'{"enabled":false}'
    assert client.get(f"{MINE}?user_id=alice").json == {"enabled": False}
    assert client.get(f"{MINE}?user_id=bob").json == {"enabled": True}
    assert client.put(f"{MINE}?user_id=alice", json={"enabled": True}).json == {"enabled": True}
    assert client.get(f"{MINE}?user_id=alice").json == {"enabled": True}


def test_it_holds_in_every_worker_and_after_a_restart(tmp_path: Path) -> None:
    first, second = (application(tmp_path).test_client() for _ in range(2))
    first.put(MINE, json={"enabled": False})
    assert second.get(MINE).json == {"enabled": False}
    assert application(tmp_path).test_client().get(MINE).json == {"enabled": False}


def test_it_needs_to_be_said(client: FlaskClient) -> None:
    assert client.put(MINE, json={}).json["detail"][0]["loc"] == ["body", "enabled"]


def test_it_needs_the_right(make_client: MakeClient) -> None:
    client = make_client(authorization={"access_rules": [{"role": "*", "actions": ["query"]}]})
    assert client.get(MINE).status_code == 403
    assert client.put(MINE, json={"enabled": False}).status_code == 403


def test_a_wish_that_cannot_be_kept_is_an_error(client: FlaskClient, tmp_path: Path) -> None:
    (tmp_path / "state" / "opted-out").write_text("in the way")
    assert client.put(MINE, json={"enabled": False}).status_code == 500


def test_who_it_is_does_not_show_on_the_disk(client: FlaskClient, tmp_path: Path) -> None:
    client.put(f"{MINE}?user_id=alice", json={"enabled": False})
    [file] = (tmp_path / "state" / "opted-out").iterdir()
    assert "alice" not in file.name
    assert file.read_bytes() == b""
