from __future__ import annotations

from pathlib import Path

import pytest

from lightspeed_stack import config, parts
from lightspeed_stack.daemon.config import ConfigError
from tests.fakes.application import configuration
from tests.stack.test_interaction import begin


def customization(path: Path | None, inline: str | None) -> config.Customization:
    return config.Customization(False, path, inline)


class TestSystemPrompt:
    def test_upstreams_when_nothing_is_configured(self) -> None:
        assert parts.system_prompt(customization(None, None)) == "You are a helpful assistant"

    def test_the_configured(self) -> None:
        assert parts.system_prompt(customization(None, "Be brief")) == "Be brief"

    def test_a_file_wins_and_is_stripped_at_its_end(self, tmp_path: Path) -> None:
        (tmp_path / "p").write_text("  Řekni \n\n", encoding="utf-8")
        assert parts.system_prompt(customization(tmp_path / "p", "Be brief")) == "  Řekni"

    @pytest.mark.parametrize("content", [None, b"\xff"])
    def test_a_file_that_cannot_be_read(self, tmp_path: Path, content: bytes | None) -> None:
        if content:
            (tmp_path / "p").write_bytes(content)
        with pytest.raises(ConfigError, match=r"customization\.system_prompt_path: .*/p: "):
            parts.system_prompt(customization(tmp_path / "p", None))


class TestSpools:
    def test_those_that_have_a_place(self, tmp_path: Path) -> None:
        made = parts.spools(configuration(tmp_path).user_data_collection)
        assert {kind: spool.directory.name for kind, spool in made.items()} == {
            "transcripts": "transcripts",
            "feedback": "feedback",
        }

    def test_a_place_is_enough_to_be_forgotten_from(self, tmp_path: Path) -> None:
        off = {"user_data_collection": {"feedback_enabled": False, "transcripts_enabled": False}}
        assert set(parts.spools(configuration(tmp_path, off).user_data_collection)) == {"transcripts", "feedback"}

    def test_none_without_places(self, tmp_path: Path) -> None:
        off = {
            "user_data_collection": {
                "feedback_enabled": False,
                "feedback_storage": None,
                "transcripts_enabled": False,
                "transcripts_storage": None,
            }
        }
        assert parts.spools(configuration(tmp_path, off).user_data_collection) == {}


def test_assembling_twice_in_a_process_does_no_harm(tmp_path: Path) -> None:
    settings = configuration(tmp_path)
    settings.state_dir.mkdir()
    first, second = (parts.assemble(settings, tmp_path / "run") for _ in range(2))
    first.switch.set(False)
    assert second.switch.get() is False


def test_an_index_that_cannot_be_made_costs_the_documents_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = configuration(tmp_path, {"rag": {"enabled": True}})
    (settings.state_dir / "documents.db").mkdir(parents=True)
    (settings.state_dir / "documents.db" / "in-the-way").touch()
    asked = begin(parts.assemble(settings, tmp_path / "run").interactions)
    assert asked.chunks == ()
    assert "a question is asked without documents" in caplog.text
