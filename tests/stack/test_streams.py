"""Stopping a stream, in this worker and in another one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from lightspeed_stack.streams import Streams, Verdict
from tests.fakes.threads import exhausted


def test_a_running_stream_is_stopped(tmp_path: Path) -> None:
    streams, stopped = Streams(tmp_path), threading.Event()
    streams.begin("r1", "ann", stopped.set)
    assert streams.interrupt("r1", "ann") is Verdict.INTERRUPTED
    assert stopped.is_set()
    assert streams.finish("r1") is True


def test_a_finished_stream_is_known_and_left_alone(tmp_path: Path) -> None:
    streams, stopped = Streams(tmp_path), threading.Event()
    streams.begin("r1", "ann", stopped.set)
    assert streams.finish("r1") is False
    assert streams.interrupt("r1", "ann") is Verdict.FINISHED
    assert not stopped.is_set()


def test_somebody_elses_stream_goes_on(tmp_path: Path) -> None:
    streams, stopped = Streams(tmp_path), threading.Event()
    streams.begin("r1", "ann", stopped.set)
    assert streams.interrupt("r1", "bob") is Verdict.FOREIGN
    assert streams.finish("r1") is False
    assert streams.interrupt("r1", "bob") is Verdict.FOREIGN
    assert not stopped.is_set()


def test_a_stream_that_never_was(tmp_path: Path) -> None:
    assert Streams(tmp_path / "not" / "there").interrupt("r1", "ann") is Verdict.UNKNOWN


def test_the_finished_are_forgotten_in_the_end(tmp_path: Path) -> None:
    streams = Streams(tmp_path)
    for number in range(3000):
        streams.begin(str(number), "ann", threading.Event().set)
        streams.finish(str(number))
    assert streams.interrupt("0", "ann") is Verdict.UNKNOWN
    assert streams.interrupt("2999", "ann") is Verdict.FINISHED


def _work(directory: Path, pipe: Connection) -> None:
    _run_theirs(Streams(directory), pipe)


def _work_though_no_thread_could_start(directory: Path, pipe: Connection) -> None:
    streams, stopped = Streams(directory), threading.Event()
    with exhausted():
        streams.begin("early", "ann", stopped.set)
        assert streams.interrupt("early", "ann") is Verdict.INTERRUPTED
        assert stopped.is_set()
        assert streams.finish("early") is True
    _run_theirs(streams, pipe)


def _run_theirs(streams: Streams, pipe: Connection) -> None:
    stopped = threading.Event()
    streams.begin("theirs", "ann", stopped.set)
    pipe.send("begun")
    stopped.wait(10)
    pipe.send(streams.finish("theirs"))
    pipe.recv()


@contextmanager
def another_worker(
    directory: Path, work: Callable[[Path, Connection], None] = _work
) -> Iterator[tuple[multiprocessing.process.BaseProcess, Connection]]:
    """A process in which ann's stream "theirs" runs until it is stopped."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    worker = context.Process(target=work, args=(directory, theirs))
    worker.start()
    theirs.close()
    try:
        assert ours.recv() == "begun"
        yield worker, ours
    finally:
        with suppress(BrokenPipeError):
            ours.send("enough")
        worker.join()
        ours.close()


@pytest.mark.parametrize("depth", [0, 12])
def test_a_stream_of_another_worker_is_stopped(tmp_path: Path, depth: int) -> None:
    """However long the directory's name is."""
    directory = tmp_path.joinpath(*["directory"] * depth)
    with another_worker(directory) as (_, pipe):
        streams = Streams(directory)
        streams.begin("ours", "ann", threading.Event().set)
        assert streams.interrupt("theirs", "bob") is Verdict.FOREIGN
        assert streams.interrupt("nobody's", "ann") is Verdict.UNKNOWN
        assert streams.interrupt("theirs", "ann") is Verdict.INTERRUPTED
        assert pipe.recv() is True
        assert streams.interrupt("theirs", "ann") is Verdict.FINISHED


def test_a_dead_worker_is_cleared_away(tmp_path: Path) -> None:
    with another_worker(tmp_path) as (worker, _):
        assert worker.pid
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        assert [path.name for path in tmp_path.iterdir()] == [f"{worker.pid}.sock"]
        assert Streams(tmp_path).interrupt("theirs", "ann") is Verdict.UNKNOWN
        assert list(tmp_path.iterdir()) == []


def test_a_worker_that_talks_nonsense_knows_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{os.open(tmp_path, os.O_PATH)}/1.sock")
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"what?")

        thread = threading.Thread(target=answer)
        thread.start()
        assert Streams(tmp_path).interrupt("r1", "ann") is Verdict.UNKNOWN
        thread.join()
    assert "does not say whether it has a stream" in caplog.text


def test_nonsense_does_not_stop_the_listener(tmp_path: Path) -> None:
    with another_worker(tmp_path) as (worker, pipe):
        for nonsense in (b"", b"{", b"[1]", b"\xff" * 5000, b"1", b'[[], ""]', b"[" * 4000):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(f"/proc/self/fd/{os.open(tmp_path, os.O_PATH)}/{worker.pid}.sock")
                connection.sendall(nonsense)
        assert Streams(tmp_path).interrupt("theirs", "ann") is Verdict.INTERRUPTED
        assert pipe.recv() is True


def test_where_no_thread_can_start_the_next_stream_has_the_reach(tmp_path: Path) -> None:
    with another_worker(tmp_path, _work_though_no_thread_could_start) as (_, pipe):
        assert Streams(tmp_path).interrupt("theirs", "ann") is Verdict.INTERRUPTED
        assert pipe.recv() is True


def test_a_directory_that_can_not_be_made_costs_only_the_reach(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    streams, stopped = Streams(tmp_path / "file" / "streams"), threading.Event()
    streams.begin("r1", "ann", stopped.set)
    assert streams.interrupt("r1", "ann") is Verdict.INTERRUPTED
    streams.begin("r2", "ann", stopped.set)
    assert caplog.text.count("other workers can't interrupt the streams of this one") == 1
