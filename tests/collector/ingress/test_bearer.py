"""Bearer tokens, over HTTP."""

from pathlib import Path

import pytest

from tests.fakes.archives import SERVICE, batch, identity, send, upload
from tests.fakes.reference_ingress import REQUEST_ID, Ingress

NOBODY = identity(type="User", org_id="1")


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer wrong", "Basic old-secret", "old-secret", "Bearer \u00e9"])
def test_without_a_right_one(guarded: Ingress, header: str | None) -> None:
    name, body = batch()
    headers = {**NOBODY, **({"Authorization": header.encode()} if header else {})}
    answer = upload(guarded.url, body, name, 2, headers=headers)  # type: ignore[arg-type]  # requests sends bytes as they are
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.headers[REQUEST_ID] == name
    assert f"{name}.tar.gz" not in guarded.stored()


def test_the_answer_reaches_a_client_that_is_still_sending(guarded: Ingress) -> None:
    answer = send(guarded.url, {"file": ("x", bytes(20_000_000), SERVICE)}, NOBODY)
    assert answer.status_code == 401


def test_every_one_in_the_file_is_right_and_none_is_logged(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old-secret\n")
    with Ingress(tmp_path / "store", "--token-file", str(token)) as ingress:
        statuses = []
        for content in ("old-secret\n", "old-secret\nnew-secret\n", "new-secret\n", ""):
            token.write_text(content)
            for secret in ("old-secret", "new-secret"):
                name, body = batch()
                answer = upload(ingress.url, body, name, 2, headers={"Authorization": f"Bearer {secret}"})
                statuses.append(answer.status_code)
        assert statuses == [202, 401, 202, 202, 401, 202, 500, 500]
        assert not [line for line in ingress.log if "secret" in line]
