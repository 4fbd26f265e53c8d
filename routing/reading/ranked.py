"""Candidates for a person to choose from: each with its score, the words that speak for it, and the reason."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

SHOWN = 5
"""How many candidates an agent is shown; more is no proposal."""

_QUOTED = 8
_REPEATED = 0.25
"""What a word weighs that was heard before: saying it five times does not make it five matters."""


@dataclass(frozen=True)
class Ranked:
    """A candidate: id of the jurisdiction, its name, a score of 0-1, the words and the reason for the agent."""

    id: str
    name: str
    score: float
    words: tuple[str, ...]
    reason: str
    utterances: tuple[int, ...] = ()


@dataclass
class Tally:
    """What speaks for one candidate so far."""

    weight: float = 0.0
    words: dict[str, None] = field(default_factory=dict)
    utterances: dict[int, None] = field(default_factory=dict)
    alike: dict[str, None] = field(default_factory=dict)
    """Words that the learned classifier found to be like those of earlier cases."""

    def add(self, weight: float, word: str, utterance: int) -> None:
        """A word of the configuration was said."""
        self.weight += weight * (_REPEATED if word in self.words else 1)
        self.words[word] = None
        self.utterances[utterance] = None

    def add_alike(self, weight: float, words: tuple[str, ...], utterance: int) -> None:
        """An utterance is like earlier cases."""
        self.weight += weight
        self.alike.update(dict.fromkeys(words))
        self.utterances[utterance] = None

    @property
    def score(self) -> float:
        """0-1, ever slower: one certain word gives 0.63, two 0.86."""
        return round(1 - math.exp(-self.weight), 3)

    @property
    def all_words(self) -> tuple[str, ...]:
        """The words that led here; those of the configuration alone, where there are any."""
        return tuple(self.words) or tuple(self.alike)

    @property
    def because(self) -> str:
        """Why, in words for the agent."""
        said = [f"来电说到{quoted(tuple(self.words))}"] if self.words else []
        if self.alike:
            said.append(f"说法与以往相近：{quoted(tuple(self.alike))}")
        return "；".join(said)


def quoted(words: tuple[str, ...]) -> str:
    """Words as they stand in a reason: the first few, a reason is read in a glance."""
    return "、".join(f"“{word}”" for word in words[:_QUOTED])
