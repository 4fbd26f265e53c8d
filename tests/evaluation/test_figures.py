"""Shares and their intervals, on numbers worked out by hand."""

from __future__ import annotations

import pytest

from evaluation.figures import Share, added_up
from evaluation.marks import Mark, Outcome


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    # Wilson (1927), z = 1.96; e.g. 8 of 10: (0.8 + 0.19207 +- 0.30823 ...) / 1.38415.
    [(0, 10, 0.0, 0.2775), (8, 10, 0.4902, 0.9433), (10, 10, 0.7225, 1.0), (90, 100, 0.8256, 0.9448), (0, 0, 0.0, 1.0)],
)
def test_wilsons_interval(part: int, whole: int, low: float, high: float) -> None:
    assert Share(part, whole).interval == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))


def test_nothing_has_no_share() -> None:
    assert Share(0, 0).value is None


def test_recall_precision_and_false_proposals() -> None:
    outcomes = (
        [Outcome.RIGHT] * 6 + [Outcome.WRONG] * 2 + [Outcome.MISSED] * 4 + [Outcome.INVENTED] + [Outcome.SILENT] * 3
    )
    tally = added_up(Mark("time", outcome) for outcome in outcomes)["time"]
    assert (tally.recall.part, tally.recall.whole) == (6, 12)
    assert (tally.precision.part, tally.precision.whole) == (6, 9)
    assert (tally.false_proposals.part, tally.false_proposals.whole) == (1, 4)
