"""Rates: a part of a whole, kept as the two numbers that they were made of.

A rate is never kept as a fraction: two periods are added by adding their parts and wholes, and whoever doubts a
percentage can see what it was computed from.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal


@dataclass(frozen=True)
class Rate:
    """`part` of `whole`, e.g. completed in time of those that were to be completed."""

    part: int
    whole: int

    def __post_init__(self) -> None:
        if not 0 <= self.part <= self.whole:
            raise ValueError(f"{self.part} of {self.whole} is no rate: the part lies between 0 and the whole")

    @property
    def value(self) -> float | None:
        """Between 0 and 1; None where there is nothing to be part of."""
        return self.part / self.whole if self.whole else None

    def percent(self, digits: int = 2) -> str:
        """As it is printed, e.g. 99.64%; half a last digit is rounded up. A dash where there is nothing."""
        if not self.whole:
            return "—"
        step = Decimal(1).scaleb(-digits)
        return f"{(Decimal(100 * self.part) / self.whole).quantize(step, ROUND_HALF_UP)}%"

    def __add__(self, other: Rate) -> Rate:
        return Rate(self.part + other.part, self.whole + other.whole)


NOTHING = Rate(0, 0)
