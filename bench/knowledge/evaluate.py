"""How often the embedded provider answers with the right card, refuses what no card covers, and how fast.

    python bench/knowledge/evaluate.py [--write]

Even lines of questions.tsv and half A of independent.tsv choose the threshold, the others are reported (see README.md).
`--write` also writes docs/knowledge.md, `--failures` prints what went wrong in half A. Exit status 1 when a goal is
missed or the threshold in the code is not the one chosen.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from lightspeed_stack import knowledge  # noqa: E402 - runs from a checkout, installed or not
from lightspeed_stack.providers.base import Message  # noqa: E402
from lightspeed_stack.providers.embedded import MODEL, THRESHOLD, Embedded  # noqa: E402
from lightspeed_stack.retriever import Index  # noqa: E402

UNCOVERED = ("-", "!")
GOAL_RIGHT, GOAL_REFUSED, GOAL_MILLISECONDS = 0.90, 0.95, 20.0
STEPS = [step / 100 for step in range(5, 96)]


@dataclass(frozen=True)
class Outcome:
    """What came first for a question, and whether that is what should."""

    expected: str
    question: str
    first: str
    score: float
    milliseconds: float

    @property
    def covered(self) -> bool:
        return self.expected not in UNCOVERED

    @property
    def ranked_right(self) -> bool:
        return self.first in self.expected.split(",")


def read(name: str) -> list[tuple[str, str]]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [(expected, question) for expected, question in (line.split("\t") for line in lines)]


def half(outcomes: Sequence[Outcome], second: bool) -> list[Outcome]:
    """Half A of the independent questions, which may be looked at, or B, of which only the totals may."""
    return [outcome for outcome in outcomes if zlib.crc32(outcome.question.encode()) % 2 == second]


def ask(index: Index, questions: Sequence[tuple[str, str]]) -> list[Outcome]:
    return [_ask(index, expected, question) for expected, question in questions]


def _ask(index: Index, expected: str, question: str) -> Outcome:
    provider = Embedded("embedded", index, threshold=0.0)
    began = time.perf_counter()
    answer = provider.ask([Message("user", question)], MODEL)
    milliseconds = (time.perf_counter() - began) * 1000
    chunk = answer.chunks[0] if answer.chunks else None
    return Outcome(
        expected, question, Path(chunk.source).stem if chunk else "", chunk.score if chunk else 0.0, milliseconds
    )


def right(outcomes: Sequence[Outcome], threshold: float) -> float:
    """The share of covered questions that are answered with the right card."""
    covered = [outcome for outcome in outcomes if outcome.covered]
    return _share(covered, lambda outcome: outcome.ranked_right and outcome.score >= threshold)


def refused(outcomes: Sequence[Outcome], threshold: float, mark: str | None = None) -> float:
    """The share of uncovered questions (of the hostile ones, for `!`) that are refused."""
    asked = [outcome for outcome in outcomes if outcome.expected == mark or (mark is None and not outcome.covered)]
    return _share(asked, lambda outcome: outcome.score < threshold)


def choose(outcomes: Sequence[Outcome]) -> float:
    """The threshold with the most right answers and refusals; of several the one in the middle."""
    gains = {step: right(outcomes, step) + refused(outcomes, step) for step in STEPS}
    best = [step for step in STEPS if gains[step] == max(gains.values())]
    return best[len(best) // 2]


def misspelt(outcomes: Sequence[Outcome]) -> list[tuple[str, str]]:
    """The covered questions, in each of which the longest word lost, doubled or swapped a letter."""
    covered = [outcome for outcome in outcomes if outcome.covered]
    return [(outcome.expected, _misspell(outcome.question, number)) for number, outcome in enumerate(covered)]


def _misspell(question: str, number: int) -> str:
    word = max(question.split(), key=lambda word: len(word) * word.isalpha())
    at = 2 + number % max(len(word) - 3, 1)
    wrong = (
        word[:at] + word[at + 1 :],
        word[:at] + word[at : at + 1] + word[at:],
        word[: at - 1] + word[at : at + 1] + word[at - 1] + word[at + 1 :],
    )
    return question.replace(word, wrong[number % 3], 1)


def _share(outcomes: Sequence[Outcome], good: Callable[[Outcome], bool]) -> float:
    return sum(map(good, outcomes)) / len(outcomes)


def measure(directory: Path) -> tuple[list[tuple[str, str, str, bool]], str, str]:
    """The table's rows (what, figure, goal, reached), and what went wrong in the reported half and in half A."""
    began = time.perf_counter()
    index = Index(directory / "documents.db")
    index.refresh([knowledge.CARDS])
    build = (time.perf_counter() - began) * 1000
    began = time.perf_counter()
    fresh = Index(directory / "documents.db")
    fresh.refresh([knowledge.CARDS])
    opened = (time.perf_counter() - began) * 1000
    questions = read("questions.tsv")
    ask(index, questions[:20])
    outcomes = ask(index, questions)
    independent = ask(index, read("independent.tsv"))
    seen, unseen = half(independent, second=False), half(independent, second=True)
    tuned, reported = [*outcomes[1::2], *seen], outcomes[::2]
    others = {"few": ask(index, read("short.tsv")), "misspelt": ask(index, misspelt(reported)), "unseen": unseen}
    return _rows(tuned, reported, others, build, opened), _wrong(reported), _wrong(seen)


def _rows(
    tuned: Sequence[Outcome],
    reported: Sequence[Outcome],
    others: Mapping[str, Sequence[Outcome]],
    build: float,
    opened: float,
) -> list[tuple[str, str, str, bool]]:
    chosen, few, unseen = choose(tuned), others["few"], others["unseen"]
    right_unseen, refused_unseen = right(unseen, THRESHOLD), refused(unseen, THRESHOLD)
    covered, uncovered = right(reported, THRESHOLD), refused(reported, THRESHOLD)
    ranked = _share([outcome for outcome in reported if outcome.covered], lambda outcome: outcome.ranked_right)
    times = sorted(outcome.milliseconds for outcome in (*tuned, *reported))
    p95 = times[int(len(times) * 0.95)]
    return [
        ("threshold in the code", f"{THRESHOLD:.2f}", f"{chosen:.2f}, chosen on the other halves", chosen == THRESHOLD),
        ("covered: answered with the right card", f"{covered:.1%}", "≥ 90 %", covered >= GOAL_RIGHT),
        ("covered: right card first, whatever its score", f"{ranked:.1%}", "", True),
        ("not covered: refused", f"{uncovered:.1%}", "≥ 95 %", uncovered >= GOAL_REFUSED),
        ("of these hostile: refused", f"{refused(reported, THRESHOLD, '!'):.1%}", "", True),
        ("independent, half B: right", f"{right_unseen:.1%}", "≥ 90 %", right_unseen >= GOAL_RIGHT),
        ("independent, half B: refused", f"{refused_unseen:.1%}", "≥ 95 %", refused_unseen >= GOAL_REFUSED),
        (
            "choosing halves: right, refused",
            f"{right(tuned, THRESHOLD):.1%}, {refused(tuned, THRESHOLD):.1%}",
            "",
            True,
        ),
        ("one word misspelt: right", f"{right(others['misspelt'], THRESHOLD):.1%}", "", True),
        (
            "queries of few words: right, refused",
            f"{right(few, THRESHOLD):.1%}, {refused(few, THRESHOLD):.1%}",
            "",
            True,
        ),
        ("answer, p50", f"{statistics.median(times):.1f} ms", "", True),
        ("answer, p95", f"{p95:.1f} ms", "≤ 20 ms", p95 <= GOAL_MILLISECONDS),
        ("opening a fresh index", f"{opened:.1f} ms", "≤ 20 ms", opened <= GOAL_MILLISECONDS),
        ("building the index", f"{build:.0f} ms", "", True),
    ]


def _wrong(outcomes: Sequence[Outcome]) -> str:
    """Each reported question that went wrong, so that nothing is hidden in a percentage."""
    lines = []
    for outcome in outcomes:
        answered = outcome.score >= THRESHOLD
        if outcome.covered and not (answered and outcome.ranked_right):
            lines.append(
                f"* “{outcome.question}”: {f'{outcome.first}' if answered else 'refused'} instead of {outcome.expected}"
            )
        elif answered and not outcome.covered:
            lines.append(f"* “{outcome.question}”: {outcome.first} instead of a refusal")
    return "\n".join(lines)


def page(rows: Sequence[tuple[str, str, str, bool]], wrong: str) -> str:
    questions = read("questions.tsv")
    independent = read("independent.tsv")
    covered = sum(expected not in UNCOVERED for expected, _ in questions)
    hostile = sum(expected == "!" for expected, _ in questions)
    cards = len(list(knowledge.CARDS.glob("*.md")))
    table = "\n".join(
        f"| {what} | {figure} | {goal} | {_mark(goal, reached)} |" for what, figure, goal, reached in rows
    )
    return (
        (HERE / "page.md")
        .read_text(encoding="utf-8")
        .format(
            cards=cards,
            questions=len(questions),
            covered=covered,
            uncovered=len(questions) - covered,
            hostile=hostile,
            independent=len(independent),
            table=table,
            wrong=wrong,
        )
    )


def _mark(goal: str, reached: bool) -> str:
    return "" if not goal else "yes" if reached else "**no**"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Evaluate the embedded provider.")
    parser.add_argument("--write", action="store_true", help="write docs/knowledge.md")
    parser.add_argument("--failures", action="store_true", help="print what went wrong in half A")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory:
        rows, wrong, failures = measure(Path(directory))
    for what, figure, goal, reached in rows:
        print(f"{what:48} {figure:>18}  {goal:32} {_mark(goal, reached).strip('*')}")
    if options.failures:
        print(failures)
    if options.write:
        (ROOT / "docs" / "knowledge.md").write_text(page(rows, wrong), encoding="utf-8")
    return 0 if all(reached for *_, reached in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
