"""What the page tells people about recording: plain sentences that follow from the configuration. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lightspeed_stack.config import UserDataCollection

OPTED_OUT = "Not recorded: you have switched it off."
REMEMBERED = "So that you can go on with them, conversations are remembered on this host until you delete them."


def summary(collection: UserDataCollection, feedback_enabled: bool) -> str:
    """All of it in one sentence; `feedback_enabled` is the switch as it stands now."""
    if collection.transcripts_enabled:
        what = "questions, answers and feedback are" if feedback_enabled else "questions and the answers are"
        return f"Your {what} recorded {_where(collection.sent_to)}."
    if feedback_enabled:
        return f"Only your feedback is recorded {_where(collection.sent_to)}."
    return "Nothing is recorded."


def sentences(collection: UserDataCollection, feedback_enabled: bool) -> Iterator[str]:
    """One after the other."""
    if collection.transcripts_enabled:
        yield "Your questions and the answers are recorded on this host."
    else:
        yield "Your questions and the answers are not recorded."
    if feedback_enabled:
        yield "Feedback that you give is recorded together with the question and the answer."
    else:
        yield "Feedback is switched off."
    if collection.transcripts_enabled or feedback_enabled:
        yield _destination(collection.sent_to)
        yield _names(collection.user_id_hashing)
    yield REMEMBERED


def _where(host: str | None) -> str:
    return f"and sent to {host}" if host else "on this host and not sent anywhere"


def _destination(host: str | None) -> str:
    return f"Records are sent to {host}." if host else "Records do not leave this host."


def _names(hashing: str) -> str:
    return "They bear your user id." if hashing == "none" else "They bear a pseudonym instead of your name."
