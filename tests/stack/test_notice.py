from pathlib import Path

import pytest

from lightspeed_stack import notice
from lightspeed_stack.config import UserDataCollection


def collection(transcripts: bool = True, sent_to: str | None = None, hashing: str = "hmac") -> UserDataCollection:
    return UserDataCollection(True, Path("/f"), transcripts, Path("/t"), hashing, 0, sent_to, None)


def test_says_what_is_recorded_and_that_it_stays() -> None:
    text = " ".join(notice.sentences(collection(), feedback_enabled=True))
    assert "answers are recorded on this host" in text
    assert "Feedback that you give is recorded" in text
    assert "do not leave this host" in text
    assert "pseudonym" in text


def test_says_where_records_go() -> None:
    assert "Records are sent to console.example." in list(notice.sentences(collection(sent_to="console.example"), True))


def test_says_when_the_user_id_is_readable() -> None:
    assert "They bear your user id." in list(notice.sentences(collection(hashing="none"), True))


@pytest.mark.parametrize("sent_to", [None, "console.example"])
def test_says_nothing_of_records_when_there_are_none(sent_to: str | None) -> None:
    assert list(notice.sentences(collection(transcripts=False, sent_to=sent_to), feedback_enabled=False)) == [
        "Your questions and the answers are not recorded.",
        "Feedback is switched off.",
        notice.REMEMBERED,
    ]


@pytest.mark.parametrize(
    ("transcripts", "feedback", "sent_to", "says"),
    [
        (True, True, "a.example", "Your questions, answers and feedback are recorded and sent to a.example."),
        (True, False, None, "Your questions and the answers are recorded on this host and not sent anywhere."),
        (False, True, "a.example", "Only your feedback is recorded and sent to a.example."),
        (False, False, "a.example", "Nothing is recorded."),
    ],
)
def test_says_all_of_it_in_one_sentence(transcripts: bool, feedback: bool, sent_to: str | None, says: str) -> None:
    assert notice.summary(collection(transcripts, sent_to), feedback) == says
