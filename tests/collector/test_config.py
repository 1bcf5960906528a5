"""The configuration: the specification's block as it stands, and every way in which a key can be wrong."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lightspeed_collector import config
from lightspeed_stack.daemon.config import ConfigError, load
from tests.fakes.site import Site

SPECIFIED = """\
user_data_collection:
  feedback_enabled: true
  feedback_storage: "/tmp/data/feedback"
  transcripts_enabled: true
  transcripts_storage: "/tmp/data/transcripts"
  data_collector:
    enabled: false
    ingress_server_url: "https://example.ingress.com/upload"
    ingress_server_auth_token: xxyyzz
    ingress_content_service_name: null
    collection_interval: 7200
    cleanup_after_send: true
    connection_timeout_seconds: 30
"""
GOOD: dict[str, Any] = {
    "enabled": True,
    "ingress_server_url": "https://x.example/upload",
    "ingress_content_service_name": None,
}


def read(folder: Path, text: str) -> config.Config:
    path = folder / "lightspeed-stack.yaml"
    path.write_text(text)
    return config.read(load(path, {}))


def collector(folder: Path, settings: object, **around: object) -> config.Config:
    return read(folder, yaml.safe_dump({"user_data_collection": {**around, "data_collector": settings}}))


def faults(folder: Path, settings: object, **around: object) -> list[str]:
    with pytest.raises(ConfigError) as error:
        collector(folder, settings, **around)
    return [
        f"{fault.key.removeprefix('user_data_collection.').removeprefix('data_collector.')}: {fault.message}"
        for fault in error.value.faults
    ]


def test_specified_block_loads_unchanged(tmp_path: Path) -> None:
    found = read(tmp_path, SPECIFIED)
    settings = found.data_collector
    assert found.folders == {"feedback": Path("/tmp/data/feedback"), "transcripts": Path("/tmp/data/transcripts")}
    assert settings.ingress_server_auth_token is not None
    assert settings.ingress_server_auth_token.reveal() == "xxyyzz"
    assert (settings.enabled, settings.collection_interval, settings.connection_timeout_seconds) == (False, 7200, 30)
    assert "xxyyzz" not in repr(found)


@pytest.mark.parametrize(
    "text", ["", "user_data_collection:", "user_data_collection: {data_collector: }", "name: stack"]
)
def test_nothing_said_is_all_defaults(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text)
    assert not found.data_collector.enabled
    assert found.data_collector.max_archive_bytes == 104857600
    assert sorted(found.folders) == ["feedback", "transcripts"]


def test_parts_of_the_stack_are_not_looked_at(tmp_path: Path) -> None:
    around = {"user_id_hashing": "none", "min_free_bytes": 5}
    assert collector(tmp_path, GOOD, **around).data_collector.enabled


def test_older_name_of_the_timeout(tmp_path: Path) -> None:
    assert collector(tmp_path, {**GOOD, "connection_timeout": 7}).data_collector.connection_timeout_seconds == 7


@pytest.mark.parametrize("key", ["ingress_server_url", "ingress_content_service_name"])
def test_enabled_collector_needs_to_know_where_to(tmp_path: Path, key: str) -> None:
    assert faults(tmp_path, {name: value for name, value in GOOD.items() if name != key})[0].startswith(
        f"{key}: is required"
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("enabled", "maybe"),
        ("ingress_server_url", "not a url"),
        ("ingress_server_url", "ftp://x.example/"),
        ("ingress_server_url", "https://"),
        ("ingress_server_url", "https://me:s3cr3t@x.example/"),
        ("ingress_server_url", "https://x.example:99999/"),
        ("ingress_server_url", "https://x.example/\r\nX: y"),
        ("ingress_server_url", 7),
        ("ingress_server_auth_token", ""),
        ("ingress_server_auth_token", 7),
        ("ingress_server_auth_token_file", 7),
        ("ingress_content_service_name", "two words"),
        ("ingress_content_service_name", 'quote"'),
        ("ingress_content_service_name", 7),
        ("user_agent", "line\nline"),
        ("collection_interval", 0),
        ("collection_interval", "often"),
        ("cleanup_after_send", 1),
        ("connection_timeout_seconds", 0),
        ("connection_timeout_seconds", -1),
        ("upload_deadline_seconds", 0),
        ("retry_wait_seconds", 0),
        ("ca_bundle", 7),
        ("client_cert", 7),
        ("state_dir", ""),
        ("max_archive_bytes", 10),
        ("compression", 0),
        ("compression", 10),
        ("max_spool_bytes", -1),
        ("max_record_age", 0),
        ("history_days", 0),
        ("metrics_textfile", 7),
        ("status_file", 7),
        ("oauth2", 7),
    ],
)
def test_wrong_value_is_named_and_not_shown(tmp_path: Path, key: str, value: object) -> None:
    (fault,) = faults(tmp_path, {**GOOD, key: value})
    assert fault.startswith(f"{key}: ")
    assert "s3cr3t" not in fault


def test_every_key_has_a_wrong_value_above() -> None:
    marks = test_wrong_value_is_named_and_not_shown.pytestmark  # type: ignore[attr-defined]
    tried = {key for key, _ in marks[0].args[1]}
    known = set(config.schema()["properties"]["data_collector"]["properties"])
    assert known - tried == {"connection_timeout", "client_key"}


def test_unknown_keys_are_named_with_a_guess(tmp_path: Path) -> None:
    assert faults(tmp_path, {**GOOD, "collection_intervall": 7}) == [
        "collection_intervall: unknown key; did you mean collection_interval?"
    ]
    assert "token: unknown key" in faults(tmp_path, {**GOOD, "oauth2": {"token": "x"}})[0].replace("oauth2.", "")


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    assert len(faults(tmp_path, {**GOOD, "enabled": 7, "compression": 11, "what": 1})) == 3


def test_settings_that_contradict_each_other(tmp_path: Path) -> None:
    oauth2 = {"token_url": "https://sso.example/token", "client_id": "me", "client_secret_file": "/etc/secret"}
    assert faults(tmp_path, {**GOOD, "connection_timeout": 7, "connection_timeout_seconds": 8})
    assert faults(tmp_path, {**GOOD, "ingress_server_auth_token": "x", "ingress_server_auth_token_file": "/y"})
    assert faults(tmp_path, {**GOOD, "ingress_server_auth_token": "x", "oauth2": oauth2})
    assert faults(tmp_path, {**GOOD, "client_key": "/key.pem"}) == ["client_key: needs client_cert"]
    assert faults(tmp_path, {**GOOD, "oauth2": {**oauth2, "token_url": "sso"}}) == [
        "oauth2.token_url: expected an http or https URL"
    ]
    assert faults(tmp_path, GOOD, feedback_storage="/a/b", transcripts_storage="/a/../a/b")[0].startswith(
        "transcripts_storage"
    )


def test_environment_is_substituted(tmp_path: Path) -> None:
    path = tmp_path / "lightspeed-stack.yaml"
    path.write_text(
        "user_data_collection: {data_collector: {collection_interval: '${env.EVERY:=77}', enabled: '${env.ON}'}}"
    )
    found = config.read(load(path, {"ON": "false"}))
    assert (found.data_collector.collection_interval, found.data_collector.enabled) == (77, False)


def test_check_config_says_nothing_when_all_is_well(site: Site) -> None:
    done = site.collector("--check-config")
    assert (done.status, done.stdout, done.stderr) == (0, "", "")


def test_faults_are_one_line_each_with_file_and_key(site: Site) -> None:
    site.configure(compression=99, what=1)
    for arguments in (["--check-config"], ["run"], ["status"]):
        done = site.collector(*arguments)
        assert done.status == 78
        assert len(done.stderr.splitlines()) == 2
        assert all(str(site.file) in line for line in done.stderr.splitlines())
        assert "user_data_collection.data_collector.compression" in done.stderr
