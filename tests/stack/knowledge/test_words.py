"""Which words of a question count."""

from __future__ import annotations

from lightspeed_stack.knowledge.words import MAX_LENGTH, MAX_WORDS, informative


def test_function_words_and_courtesies_do_not_count() -> None:
    assert informative("Hello, could you please tell me how I would restart the nginx server?") == ["restart", "nginx"]


def test_each_word_counts_once_in_its_order() -> None:
    assert informative("disk full, Disk FULL: df") == ["disk", "full", "df"]


def test_commands_and_paths_fall_into_words() -> None:
    assert informative("vi /etc/resolv.conf_old") == ["vi", "resolv", "conf", "old"]


def test_other_languages_count() -> None:
    assert informative("Wie starte ich den Dienst neu? 再起動") == [
        "wie",
        "starte",
        "ich",
        "den",
        "dienst",
        "neu",
        "再起動",
    ]


def test_long_texts_and_words_are_cut() -> None:
    assert len(informative(" ".join(f"w{number}" for number in range(1000)))) == MAX_WORDS
    assert informative("a" * 5000) == ["a" * MAX_LENGTH]


def test_text_without_a_word_has_none() -> None:
    assert informative(" !?\x00\ud800 \U0001f600 ") == []


def test_language_with_a_sign_in_its_name_is_a_word() -> None:
    assert informative("C++ pointers") == ["cpp", "pointers"]
