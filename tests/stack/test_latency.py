import math

import pytest

from lightspeed_stack import latency
from lightspeed_stack.latency import Bucket, Latency, Sample

TEN_IN_THE_SECOND: list[Bucket] = [(1.0, 0.0), (2.0, 10.0), (5.0, 10.0), (math.inf, 10.0)]


@pytest.mark.parametrize(("share", "seconds"), [(0.5, 1.5), (0.95, 1.95), (1.0, 2.0), (0.0, 1.0)])
def test_a_quantile_is_interpolated_in_its_bucket(share: float, seconds: float) -> None:
    assert latency.quantile(share, TEN_IN_THE_SECOND) == pytest.approx(seconds)


def test_the_order_of_the_buckets_does_not_matter() -> None:
    assert latency.quantile(0.5, TEN_IN_THE_SECOND[::-1]) == pytest.approx(1.5)


def test_a_quantile_of_the_first_bucket_starts_at_nothing() -> None:
    assert latency.quantile(0.5, [(1.0, 4.0), (math.inf, 4.0)]) == pytest.approx(0.5)


def test_what_is_beyond_the_last_bucket_is_told_as_its_bound() -> None:
    assert latency.quantile(0.95, [(1.0, 1.0), (60.0, 1.0), (math.inf, 100.0)]) == 60.0


@pytest.mark.parametrize("buckets", [[], [(1.0, 0.0), (math.inf, 0.0)]])
def test_nothing_measured_has_no_quantile(buckets: list[Bucket]) -> None:
    assert latency.quantile(0.5, buckets) is None


def measured(provider: str, *counts: float, total: float = 0.0) -> list[Sample]:
    labels = {"provider": provider, "model": "m"}
    bounds = ("1.0", "2.0", "+Inf")
    buckets = [
        (f"{latency.SECONDS}_bucket", labels | {"le": bound}, count)
        for bound, count in zip(bounds, counts, strict=True)
    ]
    return [*buckets, (f"{latency.SECONDS}_sum", labels, total), (f"{latency.SECONDS}_count", labels, counts[-1])]


def test_each_model_has_its_line() -> None:
    failed: Sample = (latency.FAILURES, {"provider": "b", "model": "m", "endpoint": "/v1/query"}, 2.0)
    also: Sample = (latency.FAILURES, {"provider": "b", "model": "m", "endpoint": "/v1/streaming_query"}, 1.0)
    other: Sample = ("ls_rest_api_calls_total", {"path": "/"}, 7.0)
    assert latency.table([failed, also, other, *measured("a", 0.0, 10.0, 10.0, total=15.0)]) == [
        Latency("a", "m", 10, 0, pytest.approx(1.5), pytest.approx(1.5), pytest.approx(1.95)),
        Latency("b", "m", 0, 3, None, None, None),
    ]
