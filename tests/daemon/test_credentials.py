from pathlib import Path

import pytest

from lightspeed_stack.daemon import credentials


def test_reads_a_plain_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(" hunter2\n")
    assert credentials.read(tmp_path / "token", {}) == "hunter2"


def test_a_bare_name_is_a_systemd_credential(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hunter2")
    assert credentials.read(Path("token"), {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == "hunter2"


@pytest.mark.parametrize(
    ("data", "message"), [(None, "can't be read: No such file"), (b" \n", "is empty"), (b"\xff\xfe", "is not UTF-8")]
)
def test_says_which_file_and_why(tmp_path: Path, data: bytes | None, message: str) -> None:
    file = tmp_path / "token"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(credentials.CredentialError, match=message) as caught:
        credentials.read(file, {})
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("path", "folder", "elsewhere"),
    [
        ("token", None, True),
        ("token", "/run/credentials/x.service", False),
        ("etc/token", None, False),
        ("/etc/token", None, False),
        ("/run/credentials/x.service/token", None, True),
        ("/run/credentials/x.service/token", "/run/credentials/y.service", True),
        ("/run/credentials/x.service/token", "/run/credentials/x.service", False),
    ],
)
def test_credential_of_another_unit(path: str, folder: str | None, elsewhere: bool) -> None:
    environ = {"CREDENTIALS_DIRECTORY": folder} if folder else {}
    assert credentials.is_of_a_unit(Path(path), environ) is elsewhere
