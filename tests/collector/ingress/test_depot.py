"""Each batch is kept once and told once, also when the process is killed at the worst moment."""

import fcntl
import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from lightspeed_collector.ingress.depot import Depot
from lightspeed_collector.ingress.notifications import Notifications
from lightspeed_collector.ingress.store import Directory
from tests.fakes.archives import batch, upload
from tests.fakes.reference_ingress import Ingress


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """While it lasts nobody can write to the file: an ingress stops between storing and telling."""
    with file.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def killed_before_telling(folder: Path, name: str, body: bytes) -> None:
    with Ingress(folder) as ingress, locked(ingress.notifications):
        client = threading.Thread(target=try_to_upload, args=(ingress.url, body, name))
        client.start()
        while not ingress.stored():
            pass
        kill_all(ingress)
        client.join(30)


def try_to_upload(url: str, body: bytes, name: str) -> None:
    with pytest.raises(requests.ConnectionError):
        upload(url, body, name, 2)


def kill_all(ingress: Ingress) -> None:
    """The arbiter and its worker."""
    pid = ingress.popen.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ingress.signal(signal.SIGKILL)
    for child in children:
        os.kill(int(child), signal.SIGKILL)
    ingress.wait()


def test_killed_between_storing_and_telling_it_is_told_at_the_next_start(tmp_path: Path) -> None:
    name, body = batch()
    killed_before_telling(tmp_path, name, body)
    with Ingress(tmp_path) as ingress:
        assert [told["batch_id"] for told in ingress.told()] == [name]
        assert upload(ingress.url, body, name, 2).status_code == 202
        assert len(ingress.told()) == 1
        assert ingress.stored() == [f"{name}.tar.gz"]
        assert ingress.drafts() == []
        assert list((tmp_path / ".intentions").iterdir()) == []


def test_killed_between_telling_and_answering_it_is_told_no_second_time(tmp_path: Path) -> None:
    """The same disk as before, but the line made it into the file."""
    name, body = batch()
    killed_before_telling(tmp_path, name, body)
    (intention,) = (tmp_path / ".intentions").iterdir()
    shutil.copyfile(intention, tmp_path / "notifications.jsonl")
    with Ingress(tmp_path) as ingress:
        assert len(ingress.told()) == 1
        assert upload(ingress.url, body, name, 2).status_code == 202
        assert len(ingress.told()) == 1


def test_killed_before_storing_nothing_is_told_and_the_next_upload_is_the_first(tmp_path: Path) -> None:
    name, body = batch()
    killed_before_telling(tmp_path, name, body)
    (tmp_path / f"{name}.tar.gz").unlink()
    with Ingress(tmp_path) as ingress:
        assert ingress.told() == []
        assert upload(ingress.url, body, name, 2).status_code == 202
        assert len(ingress.told()) == 1


def test_killed_while_receiving_no_draft_stays(tmp_path: Path) -> None:
    name, body = batch()
    with Ingress(tmp_path) as ingress:

        def endless() -> Iterator[bytes]:
            yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n'
            yield b"Content-Type: application/gzip\r\n\r\n"
            while True:
                yield bytes(10_000)

        client = threading.Thread(target=try_to_send, args=(ingress.url, endless()))
        client.start()
        while not any(draft.stat().st_size for draft in ingress.drafts()):
            pass
        kill_all(ingress)
        client.join(30)
        assert ingress.drafts()
    with Ingress(tmp_path) as ingress:
        assert ingress.drafts() == []
        assert ingress.stored() == []
        assert upload(ingress.url, body, name, 2).status_code == 202


def try_to_send(url: str, body: Iterator[bytes]) -> None:
    with pytest.raises(requests.ConnectionError):
        requests.post(url, data=body, headers={"Content-Type": "multipart/form-data; boundary=b"}, timeout=30)


def test_recovery_leaves_uploads_under_way_alone(tmp_path: Path) -> None:
    """A worker that starts anew while another is between storing and telling waits for it."""
    name, body = batch()
    with Ingress(tmp_path) as ingress:
        depot = Depot(Directory(tmp_path), Notifications(ingress.notifications, tmp_path / ".intentions"), tmp_path)
        statuses: list[int] = []
        client = threading.Thread(target=lambda: statuses.append(upload(ingress.url, body, name, 2).status_code))
        recovery = threading.Thread(target=depot.recover)
        with locked(ingress.notifications):
            client.start()
            while not ingress.stored():
                pass
            recovery.start()
        client.join(30)
        recovery.join(30)
        assert statuses == [202]
        assert len(ingress.told()) == 1


def test_a_notification_that_cannot_be_written_is_made_up_for(tmp_path: Path) -> None:
    name, body = batch()
    told = tmp_path / "told" / "lines"
    with Ingress(tmp_path / "store", "--notify", str(told)) as ingress:
        told.parent.rmdir()
        assert upload(ingress.url, body, name, 2).status_code == 500
        told.parent.mkdir()
        assert upload(ingress.url, body, name, 2).status_code == 202
        assert [json.loads(line)["batch_id"] for line in told.read_text().splitlines()] == [name]
        assert ingress.stored() == [f"{name}.tar.gz"]
