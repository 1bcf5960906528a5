"""lightspeed-stack.service: ready, reload, restart, stop, watchdog, and what it does with a bad configuration."""

from __future__ import annotations

import json
import shlex
import time
from typing import Any

from tests.systemd.pair import CHECKOUT, SPOOL, STACK, Pair

URL = "http://127.0.0.1:8080/liveness"


class Load:
    """Requests over new connections, from several threads, until `stop`; with a body they are POSTs."""

    def __init__(self, pair: Pair, url: str = URL, body: object = None) -> None:
        self._machine = pair.machine
        self._machine.run("rm -f /run/stop-load")
        more = shlex.quote(json.dumps(body)) if body else ""
        self._process = pair.started(f"exec python3 {CHECKOUT}/tests/systemd/load.py {url} 8 /run/stop-load {more}")

    def stop(self) -> dict[str, Any]:
        self._machine.run("touch /run/stop-load")
        counts: dict[str, Any] = json.loads(self._process.communicate(timeout=30)[0])
        return counts


def provider() -> dict[str, Any]:
    one = {"name": "fake", "type": "openai", "base_url": "http://127.0.0.1:8082/v1", "models": ["any"]}
    return {"inference": {"providers": [one], "default_provider": "fake", "default_model": "any"}}


def test_ready_means_serving(pair: Pair) -> None:
    began = time.monotonic()
    pair.machine.run(f"systemctl start {STACK} && curl -sS --fail {URL}")
    assert time.monotonic() - began < 5
    shown = pair.machine.show(STACK, "StatusText", "ActiveState", "NRestarts")
    assert shown == {
        "StatusText": "Serving at http://127.0.0.1:8080, 2 of 2 workers",
        "ActiveState": "active",
        "NRestarts": "0",
    }


def test_question_and_feedback_are_spooled(pair: Pair) -> None:
    pair.start()
    answer = pair.ask()
    pair.post(
        "/v1/feedback",
        {
            "conversation_id": answer["conversation_id"],
            "user_question": "q",
            "llm_response": "a",
            "sentiment": 1,
            "user_feedback": "good",
        },
    )
    assert len(pair.records("transcripts")) == 1
    assert len(pair.records("feedback")) == 1
    owners = pair.machine.run(f"stat -c '%a %U %G' {SPOOL}/*/*.json").splitlines()
    assert owners == ["640 lightspeed-stack lightspeed"] * 2


def test_journal_fields(pair: Pair) -> None:
    pair.start()
    conversation = pair.ask()["conversation_id"]
    (record,) = pair.machine.wait_until(
        lambda: pair.machine.journal(STACK, f"LIGHTSPEED_CONVERSATION_ID={conversation}")
    )
    assert record["PRIORITY"] == "6"
    assert record["LIGHTSPEED_ROUTE"] == "/v1/query"
    assert record["SYSLOG_IDENTIFIER"] == "lightspeed-stack"
    assert "How do I restart" not in json.dumps(pair.machine.journal(STACK))


def test_reload_serves_the_new_configuration_and_refuses_nobody(pair: Pair) -> None:
    pair.start()
    load = Load(pair)
    for number in range(3):
        pair.configure({"name": f"name-{number}"})
        pair.machine.run(f"systemctl reload {STACK}")
        pair.machine.wait_until(lambda number=number: pair.get("/v1/info")["name"] == f"name-{number}")
    counts = load.stop()
    assert set(counts) == {"200", "longest"}, counts
    assert counts["200"] > 50
    assert pair.machine.show(STACK, "ActiveState", "NRestarts") == {"ActiveState": "active", "NRestarts": "0"}


def test_reload_refuses_a_bad_configuration_loudly(pair: Pair) -> None:
    pair.configure({"name": "good"})
    pair.start()
    pair.configure({"name": "bad", "service": {"port": "eighty"}})
    pair.machine.run(f"systemctl reload {STACK}", status=1)
    assert pair.get("/v1/info")["name"] == "good"
    lines = [record["MESSAGE"] for record in pair.machine.journal(STACK)]
    assert any("50-test.yaml: service.port" in str(line) for line in lines), lines


def test_reload_moves_to_another_port(pair: Pair) -> None:
    pair.start()
    pair.configure({"service": {"port": 8090}})
    pair.machine.run(f"systemctl reload {STACK}")
    pair.machine.wait_until(lambda: pair.machine.ok("curl -sS --fail http://127.0.0.1:8090/liveness"))
    assert not pair.machine.ok(f"curl -sS --fail {URL}")
    pair.machine.wait_until(lambda: ":8090, 2 of 2" in pair.machine.show(STACK, "StatusText")["StatusText"])


def test_tls_with_certificate_and_key_as_credentials(pair: Pair) -> None:
    pair.machine.run(
        "mkdir -p -m 0700 /etc/credstore && cd /etc/credstore && openssl req -x509 -newkey rsa:2048 -nodes -days 1"
        " -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout lightspeed-stack.tls-key"
        " -out lightspeed-stack.tls-certificate"
    )
    names = {"tls_certificate_path": "lightspeed-stack.tls-certificate", "tls_key_path": "lightspeed-stack.tls-key"}
    pair.configure({"service": {"tls_config": names}})
    pair.start()
    trust = "--cacert /etc/credstore/lightspeed-stack.tls-certificate"
    assert pair.machine.run(f"curl -sS --fail {trust} https://localhost:8080/liveness")


def test_hangup_with_a_bad_configuration_keeps_the_old_one(pair: Pair) -> None:
    pair.configure({"name": "good"})
    pair.start()
    pair.configure({"name": "bad", "service": {"port": "eighty"}})
    pair.machine.run(f"systemctl kill --kill-who=main -s HUP {STACK}")
    pair.machine.wait_until(lambda: pair.machine.journal(STACK, "PRIORITY=3"), what="an error in the journal")
    assert pair.get("/v1/info")["name"] == "good"
    assert pair.machine.show(STACK, "ActiveState") == {"ActiveState": "active"}


def test_restart_behind_the_socket_refuses_nobody(pair: Pair) -> None:
    pair.machine.run("systemctl start lightspeed-stack.socket")
    assert pair.machine.show(STACK, "ActiveState") == {"ActiveState": "inactive"}
    assert pair.machine.run(f"curl -sS --fail {URL}")
    load = Load(pair)
    for _ in range(3):
        pair.machine.run(f"systemctl restart {STACK}")
    counts = load.stop()
    assert set(counts) == {"200", "longest"}, counts
    assert counts["200"] > 20


def test_what_was_acknowledged_is_kept_over_restarts_and_kills(pair: Pair) -> None:
    pair.unit(STACK, "[Service]\nRestartSec=100ms\n")
    pair.start()
    conversation = pair.ask()["conversation_id"]
    body = {"conversation_id": conversation, "user_question": "q", "llm_response": "a", "sentiment": 1}
    load = Load(pair, "http://127.0.0.1:8080/v1/feedback", body)
    for action in ("restart", "kill -s KILL", "restart", "kill -s KILL"):
        stored = len(pair.records("feedback"))
        pair.machine.wait_until(lambda stored=stored: len(pair.records("feedback")) > stored + 10)
        pair.machine.run(f"systemctl {action} {STACK}")
    pair.machine.wait_until(lambda: pair.machine.ok(f"curl -sS --fail {URL}"))
    counts = load.stop()
    assert len(pair.records("feedback")) >= counts["200"] > 40


def test_socket_unit_on_a_unix_socket(pair: Pair) -> None:
    path = "/run/lightspeed-stack.sock"
    pair.unit("lightspeed-stack.socket", f"[Socket]\nListenStream=\nListenStream={path}\n")
    pair.machine.run("systemctl start lightspeed-stack.socket")
    assert pair.machine.run(f"stat -c '%a %G' {path}").strip() == "660 lightspeed"
    assert pair.machine.run(f"curl -sS --fail --unix-socket {path} http://localhost/liveness")


def test_stop_lets_a_stream_finish(pair: Pair) -> None:
    pair.provider("tokens-30-0.1")
    pair.configure(provider())
    pair.start()
    stream = pair.started(f"curl -sSN --fail {pair.request('/v1/streaming_query', {'query': 'restart a service?'})}")
    assert stream.stdout
    assert stream.stdout.readline()
    pair.machine.run(f"systemctl stop {STACK}")
    told = stream.communicate(timeout=30)[0]
    assert told.count('"event": "token"') >= 29
    assert '"event": "end"' in told
    assert len(pair.records()) == 1
    assert pair.machine.show(STACK, "Result", "ActiveState") == {"ActiveState": "inactive", "Result": "success"}


def test_stop_waits_no_longer_than_the_grace_and_keeps_what_was_said(pair: Pair) -> None:
    pair.provider("silent-after-tokens")
    pair.configure({**provider(), "service": {"graceful_timeout_seconds": 2}})
    pair.start()
    stream = pair.started(f"curl -sSN {pair.request('/v1/streaming_query', {'query': 'restart a service?'})}")
    assert stream.stdout
    stream.stdout.readline()
    began = time.monotonic()
    pair.machine.run(f"systemctl stop {STACK}")
    assert time.monotonic() - began < 15
    assert pair.machine.show(STACK, "ActiveState") == {"ActiveState": "inactive"}


def test_watchdog_catches_a_stopped_main_process(pair: Pair) -> None:
    pair.unit(STACK, "[Service]\nWatchdogSec=3\nRestartSec=100ms\n")
    pair.start()
    pair.machine.run(f"systemctl kill --kill-who=main -s STOP {STACK}")
    pair.machine.wait_until(
        lambda: pair.machine.show(STACK, "NRestarts", "ActiveState") == {"NRestarts": "1", "ActiveState": "active"},
        what="restarted by the watchdog",
    )
    assert pair.machine.ok(f"curl -sS --fail {URL}")
    assert any("Watchdog timeout" in record["MESSAGE"] for record in pair.machine.journal(STACK))


def test_watchdog_is_content_over_reloads(pair: Pair) -> None:
    pair.unit(STACK, "[Service]\nWatchdogSec=3\n")
    pair.start()
    end = time.monotonic() + 7
    while time.monotonic() < end:
        pair.machine.run(f"systemctl reload {STACK}")
        time.sleep(0.5)  # the passing of time is what is tested
    assert pair.machine.show(STACK, "NRestarts", "ActiveState") == {"NRestarts": "0", "ActiveState": "active"}


def test_a_killed_worker_is_replaced(pair: Pair) -> None:
    pair.start()
    main = pair.machine.show(STACK, "MainPID")["MainPID"]
    pair.machine.run(f"kill -KILL $(pgrep -P {main} | head -n 1)")
    pair.machine.wait_until(lambda: len(pair.machine.run(f"pgrep -P {main}", status=None).split()) == 2)
    pair.machine.wait_until(lambda: pair.machine.show(STACK, "StatusText")["StatusText"].endswith("2 of 2 workers"))
    assert pair.ask()["response"]
    assert pair.machine.show(STACK, "NRestarts") == {"NRestarts": "0"}


def test_a_broken_configuration_fails_once_with_one_line(pair: Pair) -> None:
    pair.configure({"service": {"port": "eighty"}})
    pair.machine.run(f"systemctl start {STACK}", status=1)
    shown = pair.machine.show(STACK, "ActiveState", "NRestarts", "ExecMainStatus")
    assert shown == {"ActiveState": "failed", "NRestarts": "0", "ExecMainStatus": "78"}
    ours = [record for record in pair.machine.journal(STACK) if record.get("_COMM") != "systemd"]
    assert len(ours) == 1, ours
    assert "50-test.yaml: service.port" in ours[0]["MESSAGE"]
    assert ours[0]["PRIORITY"] == "3"


def test_it_comes_back_after_any_number_of_crashes(pair: Pair) -> None:
    pair.unit(STACK, "[Service]\nRestartSec=100ms\n")
    pair.start()
    for number in range(7):
        pair.machine.run(f"systemctl kill --kill-who=main -s KILL {STACK}")
        pair.machine.wait_until(
            lambda number=number: (
                pair.machine.show(STACK, "NRestarts", "SubState")
                == {"NRestarts": str(number + 1), "SubState": "running"}
            )
        )
    assert pair.ask()["response"]
