"""What /metrics says: upstream's names and labels, and sums that are right over any number of workers."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lightspeed_stack import metrics
from lightspeed_stack.metrics import Metrics

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

WORKER = """
import os, sys
from pathlib import Path
from lightspeed_stack.metrics import Metrics
metrics = Metrics(Path(sys.argv[1]))
for line in sys.stdin:
    exec(line)
    print(os.getpid(), flush=True)
"""


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for the workers' values; the environment is put back afterwards."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/nonexistent")
    metrics.clean(tmp_path / "metrics")
    return tmp_path / "metrics"


def samples(shown: Metrics) -> Samples:
    text, _ = shown.render()
    families = text_string_to_metric_families(text.decode())
    return {(each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples}


def value(shown: Metrics, name: str, **labels: str) -> float | None:
    return samples(shown).get((name, frozenset(labels.items())))


def everything(to: Metrics) -> None:
    to.request("/v1/query", 200, 0.3)
    to.model("openai", "openai/gpt-4o-mini", default=True)
    to.started_degraded(False)
    to.asked("openai", "gpt-4o-mini", "/v1/query")
    to.answered("openai", "gpt-4o-mini", "/v1/query", 1.5, 12, 34)
    to.failed("openai", "gpt-4o-mini", "/v1/query", 0.2)
    to.first_token("openai", "gpt-4o-mini", 0.1)
    to.refused("/v1/query")
    to.redacted("email", 2)
    to.spooled("feedback", 100, 0.002)
    to.not_spooled("transcripts", "full")
    to.opted_out("transcripts")
    to.spool("feedback", 3, 300, 60.5)
    to.stream_began()


def test_where_nothing_can_be_measured_that_is_told_once_and_nothing_fails(
    shared: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shown = Metrics(shared)
    shutil.rmtree(shared)
    for _ in range(2):
        everything(shown)
    assert caplog.messages == [f"metrics are incomplete: {shared}: No such file or directory"]
    shared.mkdir()
    shown.refused("/v1/query")
    assert value(shown, "ls_llm_validation_errors_total", endpoint="/v1/query") == 1


def test_what_could_not_be_measured_at_the_start_makes_no_balance_negative(shared: Path) -> None:
    shared.rmdir()
    shown = Metrics(shared)
    shown.request_began()
    shown.stream_began()
    shared.mkdir()
    with ThreadPoolExecutor(8) as threads:
        for _ in threads.map(lambda _: (shown.request_ended(), shown.stream_ended()), range(100)):
            pass
    assert value(shown, "ls_requests_in_progress") is None
    assert value(shown, "ls_streams_in_progress") is None


def test_a_file_that_cannot_grow_costs_new_labels_only(shared: Path) -> None:
    lines = [
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)",
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))",
        "for number in range(9000): metrics.refused(str(number))",
        "assert sum(name == 'ls_llm_validation_errors_total' for name, _, _ in metrics.samples()) > 4000",
    ]
    command = [sys.executable, "-c", WORKER, str(shared)]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert "metrics are incomplete: " in done.stderr


def test_a_full_disk_ends_no_process(shared: Path, small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("size=256k")
    (disk / "all").write_bytes(b"x" * (256 << 10))
    lines = "".join(f"metrics.refused('/v1/{number}')\n" for number in range(200))
    command = [sys.executable, "-c", WORKER, str(disk)]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0
    assert done.stderr == f"metrics are incomplete: {disk}: No space left on device\n"


UPSTREAM = {
    "ls_rest_api_calls_total": {"path", "status_code"},
    "ls_response_duration_seconds_bucket": {"path", "le"},
    "ls_response_duration_seconds_sum": {"path"},
    "ls_response_duration_seconds_count": {"path"},
    "ls_provider_model_configuration": {"provider", "model"},
    "ls_llm_calls_total": {"provider", "model", "endpoint"},
    "ls_llm_calls_failures_total": {"provider", "model", "endpoint"},
    "ls_llm_validation_errors_total": {"endpoint"},
    "ls_llm_token_sent_total": {"provider", "model", "endpoint"},
    "ls_llm_token_received_total": {"provider", "model", "endpoint"},
    "ls_llm_inference_duration_seconds_bucket": {"provider", "model", "endpoint", "result", "le"},
    "ls_started_in_degraded_mode": set(),
}


@pytest.mark.parametrize("several", [False, True])
def test_names_and_labels_are_upstreams(shared: Path, several: bool) -> None:
    shown = Metrics(shared if several else None)
    everything(shown)
    labels = {name: {key for key, _ in pairs} for name, pairs in samples(shown)}
    assert {name: labels.get(name) for name in UPSTREAM} == UPSTREAM


def test_response_buckets_are_upstreams() -> None:
    shown = Metrics(None)
    shown.request("/v1/query", 200, 0.3)
    buckets = [dict(pairs)["le"] for name, pairs in samples(shown) if name == "ls_response_duration_seconds_bucket"]
    assert buckets == ["0.1", "0.5", "1.0", "2.5", "5.0", "10.0", "20.0", "30.0", "60.0", "120.0", "+Inf"]


@pytest.mark.parametrize("several", [False, True])
def test_each_thing_that_happens_is_counted(shared: Path, several: bool) -> None:
    shown = Metrics(shared if several else None)
    for _ in range(2):
        everything(shown)
    call = {"provider": "openai", "model": "gpt-4o-mini", "endpoint": "/v1/query"}
    model = {"provider": "openai", "model": "gpt-4o-mini"}
    assert value(shown, "ls_rest_api_calls_total", path="/v1/query", status_code="200") == 2
    assert value(shown, "ls_response_duration_seconds_sum", path="/v1/query") == pytest.approx(0.6)
    assert value(shown, "ls_response_duration_seconds_bucket", path="/v1/query", le="0.1") == 0
    assert value(shown, "ls_response_duration_seconds_bucket", path="/v1/query", le="0.5") == 2
    assert value(shown, "ls_provider_model_configuration", provider="openai", model="openai/gpt-4o-mini") == 1
    assert value(shown, "ls_llm_calls_total", **call) == 2
    assert value(shown, "ls_llm_calls_failures_total", **call) == 2
    assert value(shown, "ls_llm_token_sent_total", **call) == 24
    assert value(shown, "ls_llm_token_received_total", **call) == 68
    assert value(shown, "ls_llm_inference_duration_seconds_count", **call, result="success") == 2
    assert value(shown, "ls_llm_inference_duration_seconds_count", **call, result="failure") == 2
    assert value(shown, "ls_provider_latency_seconds_sum", **model) == 3
    assert value(shown, "ls_time_to_first_token_seconds_count", **model) == 2
    assert value(shown, "ls_llm_validation_errors_total", endpoint="/v1/query") == 2
    assert value(shown, "ls_redactions_total", filter="email") == 4
    assert value(shown, "ls_records_spooled_total", kind="feedback") == 2
    assert value(shown, "ls_spooled_bytes_total", kind="feedback") == 200
    assert value(shown, "ls_spool_put_seconds_count", kind="feedback") == 2
    assert value(shown, "ls_spool_failures_total", kind="transcripts", cause="full") == 2
    assert value(shown, "ls_opt_outs_total", kind="transcripts") == 2
    assert value(shown, "ls_spool_records", kind="feedback") == 3
    assert value(shown, "ls_spool_bytes", kind="feedback") == 300
    assert value(shown, "ls_spool_oldest_age_seconds", kind="feedback") == 60.5
    assert value(shown, "ls_streams_in_progress") == 2
    assert value(shown, "ls_started_in_degraded_mode") == 0


@pytest.mark.parametrize("several", [False, True])
def test_what_is_in_progress_goes_up_and_down(shared: Path, several: bool) -> None:
    shown = Metrics(shared if several else None)
    shown.request_began()
    shown.request_began()
    assert value(shown, "ls_requests_in_progress") == 2
    shown.request_ended()
    assert value(shown, "ls_requests_in_progress") == 1
    shown.stream_began()
    shown.stream_ended()
    assert value(shown, "ls_streams_in_progress") == 0


def test_content_type_is_prometheus_text() -> None:
    text, content_type = Metrics(None).render()
    assert content_type == "text/plain; version=1.0.0; charset=utf-8"
    assert text.endswith(b"\n")


def test_single_process_shows_itself_too() -> None:
    names = {name for name, _ in samples(Metrics(None))}
    assert {"process_resident_memory_bytes", "python_info", "python_gc_collections_total"} <= names


class Worker:
    def __init__(self, directory: Path) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", WORKER, str(directory)]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def does(self, line: str) -> int:
        """Run the line in the worker; returns its process id once it is done."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate()


def test_workers_add_up_and_the_dead_are_not_in_progress(shared: Path) -> None:
    workers = [Worker(shared) for _ in range(3)]
    for number, worker in enumerate(workers, start=1):
        worker.does(f"[metrics.request('/v1/query', 200, 0.2) for _ in range({number})]")
        worker.does(f"metrics.stream_began(); metrics.spool('feedback', {number}, 10, 1.0)")
    shown = Metrics(shared)
    shown.request("/v1/query", 200, 0.2)
    assert value(shown, "ls_rest_api_calls_total", path="/v1/query", status_code="200") == 7
    assert value(shown, "ls_response_duration_seconds_count", path="/v1/query") == 7
    assert value(shown, "ls_streams_in_progress") == 3
    assert value(shown, "ls_spool_records", kind="feedback") == 3
    dead = workers[0].does("pass")
    for worker in workers:
        worker.end()
    metrics.worker_exited(shared, dead)
    assert value(shown, "ls_streams_in_progress") == 2
    assert value(shown, "ls_rest_api_calls_total", path="/v1/query", status_code="200") == 7
    workers = [Worker(shared)]
    workers[0].does("metrics.spool('feedback', 1, 10, 1.0)")
    workers[0].end()
    assert value(shown, "ls_spool_records", kind="feedback") == 1


def test_metrics_made_before_a_fork_are_counted_once_for_each_process(shared: Path) -> None:
    worker = Worker(shared)
    worker.does("metrics.request('/', 200, 0.1)")
    worker.does(
        "os.fork() or (metrics.request('/', 200, 0.1), metrics.request('/new', 200, 0.1), os._exit(0)); os.wait()"
    )
    worker.does("metrics.request('/', 200, 0.1)")
    worker.end()
    shown = Metrics(shared)
    assert value(shown, "ls_rest_api_calls_total", path="/", status_code="200") == 3
    assert value(shown, "ls_rest_api_calls_total", path="/new", status_code="200") == 1


def test_cleaning_forgets_an_earlier_run(shared: Path) -> None:
    worker = Worker(shared)
    worker.does("metrics.request('/', 200, 0.1)")
    worker.end()
    metrics.clean(shared)
    assert value(Metrics(shared), "ls_rest_api_calls_total", path="/", status_code="200") is None


def test_file_that_is_only_just_being_made_does_no_harm(shared: Path) -> None:
    shown = Metrics(shared)
    shown.request("/", 200, 0.1)
    (shared / "counter_1.db").write_bytes(b"")
    assert value(shown, "ls_rest_api_calls_total", path="/", status_code="200") == 1


def test_several_metrics_live_side_by_side(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    all_of_them = [Metrics(shared), Metrics(tmp_path / "second"), Metrics(None)]
    for round_ in ("early", "late"):
        for number, each in enumerate(all_of_them):
            each.request(f"/{round_}/{number}", 200, 0.1)
            each.spool("feedback", number, 0, 0.0)
    for number, each in enumerate(all_of_them):
        paths = {dict(pairs).get("path") for _, pairs in samples(each)} - {None}
        assert paths == {f"/early/{number}", f"/late/{number}"}
        assert value(each, "ls_spool_records", kind="feedback") == number


def test_threads_lose_no_count(shared: Path) -> None:
    shown = Metrics(shared)

    def work() -> None:
        for number in range(500):
            shown.request(f"/{number % 7}", 200, 0.1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = [count for (name, _), count in samples(shown).items() if name == "ls_rest_api_calls_total"]
    assert sum(counts) == 4000
