"""The description is valid, and the running service keeps to it: requests made up from it meet all of schemathesis' checks."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from openapi_spec_validator import OpenAPIV31SpecValidator

from lightspeed_stack import parse
from tests.fakes.application import provider
from tests.fakes.daemon import Stack, merged
from tests.fakes.provider import FakeProvider

SPEC = parse.specification()
KEY = "an-api-key"
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "20"))
schema = schemathesis.openapi.from_dict(SPEC)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with FakeProvider() as fake:
        authentication = {"module": "api-key-token", "api_key_config": {"api_key": KEY}}
        overrides = merged(provider(fake.url), {"authentication": authentication, "service": {"access_log": False}})
        with Stack(tmp_path_factory.mktemp("stack"), overrides) as stack:
            yield stack.url


def test_the_description_is_valid() -> None:
    OpenAPIV31SpecValidator(SPEC).validate()


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_the_service_keeps_to_it(case: schemathesis.Case, url: str) -> None:
    case.call_and_validate(base_url=url, headers={"Authorization": f"Bearer {KEY}"})


def test_one_request_after_another(url: str) -> None:
    """What one answers the next asks about: links, and the checks that need several requests."""

    class Machine(schema.as_state_machine()):  # type: ignore[misc]  # made at run time
        def get_call_kwargs(self, case: schemathesis.Case) -> dict[str, object]:
            return {"base_url": url, "headers": {"Authorization": f"Bearer {KEY}"}}

    Machine.run(
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=6,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        )
    )
