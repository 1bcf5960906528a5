"""The description is valid, and the running service keeps to it: requests made up from it meet all of schemathesis' checks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lightspeed_stack import parse
from tests.fakes.application import provider
from tests.fakes.daemon import Stack, merged
from tests.fakes.provider import FakeProvider

SPEC = parse.specification()
KEY = "an-api-key"
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "20"))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with FakeProvider() as fake:
        authentication = {"module": "api-key-token", "api_key_config": {"api_key": KEY}}
        overrides = merged(provider(fake.url), {"authentication": authentication, "service": {"access_log": False}})
        with Stack(tmp_path_factory.mktemp("stack"), overrides) as stack:
            yield stack.url


def test_the_description_is_valid() -> None:
    from openapi_spec_validator import OpenAPIV31SpecValidator

    OpenAPIV31SpecValidator(SPEC).validate()


@pytest.mark.timeout(300)
def test_the_service_keeps_to_it(url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--url", url, "--no-color"]
    chosen = ["--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--generation-deterministic"]
    header = ["--header", f"Authorization: Bearer {KEY}"]
    done = subprocess.run([*command, *chosen, *header], cwd=tmp_path, capture_output=True, text=True, timeout=290)
    assert done.returncode == 0, done.stdout + done.stderr
    operations = sum(len({"get", "put", "post", "delete", "head"} & set(path)) for path in SPEC["paths"].values())
    assert f"Tested: {operations}\n" in done.stdout


def test_what_one_request_answers_the_next_asks_about(url: str) -> None:
    import schemathesis  # takes a second, which other workers can do without

    schema = schemathesis.openapi.from_dict(SPEC)

    def call(path: str, method: str, **given: Any) -> Any:
        case = schema[path][method].Case(**given)
        answer = case.call_and_validate(base_url=url, headers={"Authorization": f"Bearer {KEY}"})
        return answer.status_code, answer.json()

    status, asked = call("/v1/query", "POST", body={"query": "hi"}, media_type="application/json")
    assert status == 200
    one = {"path_parameters": {"conversation_id": asked["conversation_id"]}}
    path = "/v1/conversations/{conversation_id}"
    assert call(path, "GET", **one)[0] == 200
    renamed = call(path, "PUT", **one, body={"topic_summary": "a name"}, media_type="application/json")
    assert renamed[0] == 200
    assert call("/v1/conversations", "GET")[1]["conversations"][0]["topic_summary"] == "a name"
    assert call(path, "DELETE", **one)[1]["deleted"] is True
    assert call(path, "GET", **one)[0] == 404
