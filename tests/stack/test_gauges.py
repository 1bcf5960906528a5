from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lightspeed_stack import config
from lightspeed_stack.gauges import Gauges
from lightspeed_stack.metrics import Metrics
from lightspeed_stack.providers import Registry
from lightspeed_stack.providers.openai import OpenAI
from lightspeed_stack.spool import Spool
from tests.fakes.providers import settings

NOBODY = config.Inference(None, None, ())


def refreshed(spools: dict[str, Spool], registry: Registry, inference: config.Inference = NOBODY) -> str:
    metrics = Metrics(None)
    Gauges(metrics, spools, registry, inference).refresh()
    return metrics.render()[0].decode()


def registry(url: str = "http://127.0.0.1:9/v1", models: tuple[str, ...] = ("a", "b")) -> Registry:
    return Registry([OpenAI(settings(url, models=models))], "openai", None, {})


def test_how_full_a_spool_is_and_how_old(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 0)
    spool.put("ad14e9de-72d6-42a3-98bf-017e9c0a6b89", b"{}", datetime.now(UTC) - timedelta(hours=1))
    told = refreshed({"feedback": spool}, registry())
    assert 'ls_spool_records{kind="feedback"} 1.0' in told
    assert 'ls_spool_bytes{kind="feedback"} 2.0' in told
    [age] = [line for line in told.splitlines() if line.startswith('ls_spool_oldest_age_seconds{kind="feedback"}')]
    assert 3600 <= float(age.split()[-1]) < 3700


def test_an_empty_one_has_no_age(tmp_path: Path) -> None:
    assert 'ls_spool_oldest_age_seconds{kind="feedback"} 0.0' in refreshed({"feedback": Spool(tmp_path, 0)}, registry())


def test_which_model_is_the_default() -> None:
    told = refreshed({}, registry(), config.Inference("openai", "b", ()))
    assert 'ls_provider_model_configuration{model="a",provider="openai"} 0.0' in told
    assert 'ls_provider_model_configuration{model="b",provider="openai"} 1.0' in told


def test_what_cannot_be_looked_up_is_logged_and_the_rest_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    spools = {"feedback": Spool(tmp_path / "file", 0), "transcripts": Spool(tmp_path / "spool", 0)}
    told = refreshed(spools, registry(models=()))
    assert 'ls_spool_records{kind="transcripts"} 0.0' in told
    assert "how full a spool is can't be told" in caplog.text
    assert "which models there are can't be told" in caplog.text
