import pytest

from lightspeed_collector import names

GOOD = "20250804T165952.004143Z_ad14e9de-72d6-42a3-98bf-017e9c0a6b89_5f3a9c1e.json"


@pytest.mark.parametrize(
    "name", [GOOD, "20250804T165952.004143Z_a_00000000.json", f"20250804T165952.004143Z_{'a' * 64}_5f3a9c1e.json"]
)
def test_names_of_records(name: str) -> None:
    assert names.is_record(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x.json",
        f".{GOOD}",
        f"{GOOD}.tmp",
        f"{GOOD}\n",
        GOOD.upper(),
        GOOD.replace("_5f3a9c1e", ""),
        GOOD.replace("5f3a9c1e", "5F3A9C1E"),
        GOOD.replace("ad14", "../a"),
        GOOD.replace("2025", "\uff12\uff10\uff12\uff15"),
        f"20250804T165952.004143Z_{'a' * 65}_5f3a9c1e.json",
        "20250804T165952.004143Z_-a_5f3a9c1e.json",
    ],
)
def test_names_of_anything_else(name: str) -> None:
    assert not names.is_record(name)


def test_drafts_are_records_behind_a_dot() -> None:
    assert names.is_draft(f".{GOOD}")
    assert not names.is_draft(GOOD)
    assert not names.is_draft(".profile")


def test_requests_name_the_conversation_to_forget() -> None:
    assert names.forgotten(".forget_ad14e9de_5f3a9c1e") == "ad14e9de"
    assert names.forgotten(".forget_ad14e9de") is None
    assert names.forgotten(GOOD) is None


def test_what_a_name_says() -> None:
    assert names.conversation(GOOD) == "ad14e9de-72d6-42a3-98bf-017e9c0a6b89"
    assert names.written_at(GOOD) == 1754326792.004143
    assert names.split(f"feedback/{GOOD}") == ("feedback", GOOD)


def test_date_that_no_calendar_has() -> None:
    assert names.written_at(GOOD.replace("0804T", "0230T")) is None
