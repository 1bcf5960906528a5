"""lightspeed-collector.service, its timer and its generator."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.systemd.pair import COLLECTOR, SPOOL, Pair

TIMER = "lightspeed-collector.timer"
COLLECT = f"systemctl start {COLLECTOR}"


def collector(**settings: Any) -> dict[str, Any]:
    return {"user_data_collection": {"data_collector": settings}}


def schedule(pair: Pair) -> str:
    return pair.machine.run(f"systemctl show {TIMER} --property=TimersMonotonic")


def last(pair: Pair) -> dict[str, str]:
    return pair.machine.show(COLLECTOR, "ExecMainStatus", "ActiveState", "Result")


def test_the_timer_fires_and_the_record_arrives(pair: Pair) -> None:
    pair.ingress()
    pair.configure(collector(collection_interval=2))
    pair.start()
    pair.ask()
    (record,) = pair.records()
    pair.hold("OnActiveSec=0\nOnUnitInactiveSec=2")
    pair.machine.wait_until(lambda: pair.stored() == [f"transcripts/{record}"], what="the record at the ingress")
    pair.machine.wait_until(lambda: not pair.records())
    pair.ask()
    pair.machine.wait_until(lambda: len(pair.stored()) == 2, what="the second run, an interval later")


def test_the_interval_follows_the_configuration(pair: Pair) -> None:
    pair.machine.run(f"systemctl start {TIMER}")
    for seconds, shown, jitter in ((86400, "1d", "2h 24min"), (300, "5min", "30s")):
        pair.configure(collector(collection_interval=seconds))
        pair.machine.run("systemctl daemon-reload")
        assert f"OnUnitInactiveUSec={shown} ;" in schedule(pair)
        delay = pair.machine.show(TIMER, "RandomizedDelayUSec", "FixedRandomDelay")
        assert delay == {"RandomizedDelayUSec": jitter, "FixedRandomDelay": "yes"}


def test_the_default_interval_is_the_shipped_one(pair: Pair) -> None:
    shipped = pair.machine.run(
        "grep -hE '^(On|Random|Fixed|Accuracy)' /usr/lib/systemd/system/lightspeed-collector.timer"
    ).splitlines()
    generated = pair.machine.run(f"grep -E '^(On|Random|Accuracy)' /run/systemd/generator/{TIMER}.d/*").splitlines()
    assert [line for line in shipped if not line.startswith("Fixed")] == [
        line for line in generated if line != "OnBootSec="
    ]


def test_the_timer_goes_on_while_the_collector_is_not_enabled(pair: Pair) -> None:
    """What is recorded and not sent may have to be forgotten."""
    pair.configure(collector(enabled=False, collection_interval=600))
    pair.machine.run("systemctl daemon-reload")
    assert "OnUnitInactiveUSec=10min" in schedule(pair)


def test_the_generator_is_harmless_and_quick_whatever_the_file_says(pair: Pair) -> None:
    for text in (
        "{",
        "[]",
        "user_data_collection: 7",
        "user_data_collection: {data_collector: {collection_interval: soon}}",
    ):
        pair.machine.write("/etc/lightspeed-stack/conf.d/90-bad.yaml", text)
        pair.machine.run("systemctl daemon-reload")
        assert "OnUnitInactiveUSec=2h" in schedule(pair)
    pair.machine.write("/etc/lightspeed-stack/conf.d/90-bad.yaml", 'name: "${env.UNSET_HERE}"\n')
    pair.configure(collector(collection_interval=600))
    pair.machine.run("systemctl daemon-reload")
    assert "OnUnitInactiveUSec=10min" in schedule(pair)
    began = time.monotonic()
    pair.machine.run("/usr/lib/systemd/system-generators/lightspeed-collector-generator /tmp/gen /tmp/gen /tmp/gen")
    assert time.monotonic() - began < 2


def test_journal_of_a_run(pair: Pair) -> None:
    pair.ingress()
    pair.plant(3)
    pair.machine.run(COLLECT)
    (sent,) = pair.machine.journal(COLLECTOR, "MESSAGE_ID=1df1c75c26034e87ad1503b8467450b2")
    assert sent["LIGHTSPEED_RECORDS"] == "3"
    assert sent["PRIORITY"] == "6"
    assert pair.machine.ok(f"test -e /var/lib/ingress/{sent['LIGHTSPEED_BATCH_ID']}.tar.gz")
    explained = pair.machine.run(f"journalctl -x -u {COLLECTOR}")
    assert "A batch was accepted by the ingress" in explained
    assert "It sent 3 records in 1 batches;" in explained


def test_the_token_comes_as_a_credential_and_can_be_rotated(pair: Pair) -> None:
    pair.hold()
    pair.machine.write("/run/token", "second", 0o600)
    pair.ingress("--token-file /run/token")
    pair.configure(collector(ingress_server_auth_token_file="lightspeed-collector.ingress-token"))
    pair.plant(1)
    pair.credential("lightspeed-collector.ingress-token", "first")
    pair.machine.run(COLLECT, status=1)
    assert last(pair)["ExecMainStatus"] == "69"
    pair.credential("lightspeed-collector.ingress-token", "second")
    pair.machine.run(COLLECT)
    assert len(pair.stored()) == 1
    assert "second" not in str(pair.machine.journal(COLLECTOR))


def test_an_ingress_that_is_away_is_no_failure(pair: Pair) -> None:
    pair.hold()
    pair.plant(1)
    pair.machine.run(COLLECT)
    assert last(pair) == {"ExecMainStatus": "75", "ActiveState": "inactive", "Result": "success"}
    assert len(pair.records()) == 1


@pytest.mark.parametrize("behaviour", ["answer(401)", "answer(302, 'Location: http://127.0.0.1/')"])
def test_an_ingress_that_refuses_is_a_failure(pair: Pair, behaviour: str) -> None:
    pair.hold()
    pair.configure(collector(ingress_server_url=pair.bad_ingress(behaviour)))
    pair.plant(1)
    pair.machine.run(COLLECT, status=1)
    assert last(pair) == {"ExecMainStatus": "69", "ActiveState": "failed", "Result": "exit-code"}
    assert len(pair.records()) == 1


def test_a_failed_run_calls_the_hook(pair: Pair) -> None:
    pair.hold()
    pair.machine.write(
        "/etc/systemd/system/test-alert@.service", "[Service]\nType=oneshot\nExecStart=touch /run/alert-%i\n"
    )
    pair.unit(COLLECTOR, "[Unit]\nOnFailure=test-alert@%p.service\n")
    pair.configure({"service": {"port": "eighty"}, **collector(collection_interval="never")})
    pair.machine.run(COLLECT, status=1)
    assert last(pair)["ExecMainStatus"] == "78"
    pair.machine.wait_until(lambda: pair.machine.ok("test -e /run/alert-lightspeed-collector"))


def test_stop_in_mid_upload_loses_nothing(pair: Pair) -> None:
    pair.hold()
    pair.configure(collector(ingress_server_url=pair.bad_ingress("stall_request"), compression=1))
    pair.plant(20, 1_000_000)
    pair.machine.run(f"systemctl start --no-block {COLLECTOR}")
    pair.machine.wait_until(
        lambda: pair.machine.ok("ss -Htn state established | grep -q ."), what="an upload under way"
    )
    began = time.monotonic()
    pair.machine.run(f"systemctl stop {COLLECTOR}")
    assert time.monotonic() - began < 8
    assert last(pair)["Result"] == "success"
    assert len(pair.records()) == 20
    pair.ingress()
    pair.configure({})
    pair.machine.run(COLLECT)
    assert len(pair.stored()) == 20
    assert len(set(pair.stored())) == 20
    assert not pair.records()


def test_a_long_run_extends_its_time(pair: Pair) -> None:
    pair.hold()
    pair.unit(COLLECTOR, "[Service]\nTimeoutStartSec=3\n")
    url = pair.bad_ingress("drip(f.head(202, length=2) + b'{}', 0.12)")
    pair.configure(collector(ingress_server_url=url))
    pair.plant(1)
    began = time.monotonic()
    pair.machine.run(COLLECT)
    assert time.monotonic() - began > 3
    assert last(pair)["Result"] == "success"
    assert not pair.records()


def test_the_status_line_has_counts(pair: Pair) -> None:
    pair.hold()
    pair.ingress()
    pair.plant(2)
    pair.machine.run(COLLECT)
    assert "2" in pair.machine.show(COLLECTOR, "StatusText")["StatusText"]


def test_what_it_publishes_is_shown_by_the_api(pair: Pair) -> None:
    pair.ingress()
    pair.configure(
        collector(status_file=f"{SPOOL}/published/status.json", metrics_textfile=f"{SPOOL}/published/run.prom")
    )
    pair.start()
    pair.plant(2)
    pair.machine.run(COLLECT)
    assert pair.get("/v1/status")["collector"]["published"]["last_run"]["sent"] == 2
    assert pair.machine.run(f"stat -c %a {SPOOL}/published/run.prom").strip() == "644"


def test_no_process_stays_between_runs(pair: Pair) -> None:
    pair.ingress()
    pair.plant(1)
    pair.machine.run(COLLECT)
    assert not pair.machine.ok("pgrep -u lightspeed-collector")


def test_both_at_once_under_load(pair: Pair) -> None:
    """Records keep coming while runs take them away; each arrives once."""
    pair.ingress()
    pair.start()
    for _ in range(5):
        pair.ask()
        pair.machine.run(COLLECT)
    pair.machine.wait_until(lambda: not pair.records())
    stored = pair.stored()
    assert len(stored) == len(set(stored)) == 5
    assert not pair.machine.ok(f"ls {SPOOL}/transcripts/* 2>/dev/null")
