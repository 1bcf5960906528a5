"""What the daemon counts and times, one method for each thing that can happen; `render` is GET /metrics.

Names, labels and buckets of the upper half are upstream's, so that its dashboards work; what concerns spool,
redaction, validity and streams is ours. No text of a user and no id ever becomes a label.
"""

from __future__ import annotations

from pathlib import Path

from lightspeed_stack.instruments import Instruments, clean, worker_exited

__all__ = ["Metrics", "clean", "worker_exited"]

_UPSTREAM_BUCKETS = (0.1, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120)
_PROVIDER_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300)
_DISK_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_MODEL = ("provider", "model")
_CALL = ("provider", "model", "endpoint")


class Metrics:
    """Shared by all threads. With a directory it shows all the workers that use the same one."""

    def __init__(self, directory: Path | None) -> None:
        self._instruments = Instruments(directory)
        self._count_as_upstream(self._instruments)
        self._count_requests_and_answers(self._instruments)
        self._count_records(self._instruments)

    def _count_as_upstream(self, make: Instruments) -> None:
        self._requests = make.counter("ls_rest_api_calls_total", "REST API calls", ("path", "status_code"))
        self._durations = make.histogram(
            "ls_response_duration_seconds", "Response durations", ("path",), _UPSTREAM_BUCKETS
        )
        self._configured = make.gauge(
            "ls_provider_model_configuration", "Whether this is the default model", _MODEL, "livemax"
        )
        self._calls = make.counter("ls_llm_calls_total", "LLM calls", _CALL)
        self._failures = make.counter("ls_llm_calls_failures_total", "LLM calls that failed", _CALL)
        self._invalid = make.counter("ls_llm_validation_errors_total", "Questions out of scope", ("endpoint",))
        self._sent = make.counter("ls_llm_token_sent_total", "Tokens sent to the LLM", _CALL)
        self._received = make.counter("ls_llm_token_received_total", "Tokens received from the LLM", _CALL)
        self._inference = make.histogram(
            "ls_llm_inference_duration_seconds", "LLM call durations", (*_CALL, "result"), _UPSTREAM_BUCKETS
        )
        self._degraded = make.gauge(
            "ls_started_in_degraded_mode",
            "Whether something was missing when the workers that serve now were started",
            (),
            "livemax",
        )

    def _count_requests_and_answers(self, make: Instruments) -> None:
        self._in_progress = make.gauge("ls_requests_in_progress", "Requests being answered", (), "livesum")
        self._streams = make.gauge("ls_streams_in_progress", "Streams being sent", (), "livesum")
        self._first_token = make.histogram(
            "ls_time_to_first_token_seconds", "From the request to the first token", _MODEL, _PROVIDER_BUCKETS
        )
        self._latency = make.histogram(
            "ls_provider_latency_seconds", "From asking the provider to its whole answer", _MODEL, _PROVIDER_BUCKETS
        )
        self._redactions = make.counter("ls_redactions_total", "Passages replaced by redaction", ("filter",))

    def _count_records(self, make: Instruments) -> None:
        kind = ("kind",)
        self._spooled = make.counter("ls_records_spooled_total", "Records stored in the spool", kind)
        self._spooled_bytes = make.counter("ls_spooled_bytes_total", "Bytes of records stored in the spool", kind)
        self._put_seconds = make.histogram(
            "ls_spool_put_seconds", "Time to store a record durably", kind, _DISK_BUCKETS
        )
        self._lost = make.counter("ls_spool_failures_total", "Records that couldn't be stored", (*kind, "cause"))
        self._opt_outs = make.counter("ls_opt_outs_total", "Records not made because the user opted out", kind)
        self._waiting = make.gauge("ls_spool_records", "Records waiting in the spool", kind, "mostrecent")
        self._waiting_bytes = make.gauge("ls_spool_bytes", "Bytes waiting in the spool", kind, "mostrecent")
        self._oldest = make.gauge(
            "ls_spool_oldest_age_seconds", "Age of the oldest record in the spool", kind, "mostrecent"
        )

    def request(self, path: str, status: int, seconds: float) -> None:
        """A request was answered; `path` is its route's template."""
        self._requests.at(path, str(status)).inc()
        self._durations.at(path).observe(seconds)

    def request_began(self) -> None:
        self._in_progress.at().inc()

    def request_ended(self) -> None:
        """Its answer is sent, or given up."""
        self._in_progress.at().dec()

    def stream_began(self) -> None:
        self._streams.at().inc()

    def stream_ended(self) -> None:
        self._streams.at().dec()

    def model(self, provider: str, model: str, *, default: bool) -> None:
        """A provider offers this model."""
        self._configured.at(provider, model).set(default)

    def started_degraded(self, degraded: bool) -> None:
        self._degraded.at().set(degraded)

    def asked(self, provider: str, model: str, endpoint: str) -> None:
        """A provider is being asked."""
        self._calls.at(provider, model, endpoint).inc()

    def answered(self, provider: str, model: str, endpoint: str, seconds: float, sent: int, received: int) -> None:
        """A provider gave its whole answer; `sent` and `received` are tokens."""
        self._sent.at(provider, model, endpoint).inc(sent)
        self._received.at(provider, model, endpoint).inc(received)
        self._inference.at(provider, model, endpoint, "success").observe(seconds)
        self._latency.at(provider, model).observe(seconds)

    def failed(self, provider: str, model: str, endpoint: str, seconds: float) -> None:
        """A provider didn't answer, or broke off."""
        self._failures.at(provider, model, endpoint).inc()
        self._inference.at(provider, model, endpoint, "failure").observe(seconds)

    def first_token(self, provider: str, model: str, seconds: float) -> None:
        self._first_token.at(provider, model).observe(seconds)

    def refused(self, endpoint: str) -> None:
        """A question was out of scope and got the configured refusal."""
        self._invalid.at(endpoint).inc()

    def redacted(self, filter_name: str, count: int) -> None:
        self._redactions.at(filter_name).inc(count)

    def spooled(self, kind: str, size: int, seconds: float) -> None:
        """A record is durable; `kind` is transcripts or feedback."""
        self._spooled.at(kind).inc()
        self._spooled_bytes.at(kind).inc(size)
        self._put_seconds.at(kind).observe(seconds)

    def not_spooled(self, kind: str, cause: str) -> None:
        """A record could not be stored; `cause` is SpoolError's."""
        self._lost.at(kind, cause).inc()

    def opted_out(self, kind: str) -> None:
        self._opt_outs.at(kind).inc()

    def spool(self, kind: str, records: int, size: int, oldest_age_seconds: float) -> None:
        """How full a spool is; an empty one's oldest record is 0 seconds old."""
        self._waiting.at(kind).set(records)
        self._waiting_bytes.at(kind).set(size)
        self._oldest.at(kind).set(oldest_age_seconds)

    def samples(self) -> list[tuple[str, dict[str, str], float]]:
        """Everything that was measured: names as Prometheus has them, labels, values."""
        return self._instruments.samples()

    def render(self) -> tuple[bytes, str]:
        """The text and its content type."""
        return self._instruments.render()
