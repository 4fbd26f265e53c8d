"""The numbers of the phones: those of the network's outputs, and those that Kaldi's files give them.

To Kaldi a phone at a word's beginning, end, inside, or alone is four phones, so that it can tell where words begin.
They share one output of the network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from asr_models.demo_model.pronunciation import SILENCE
from asr_models.errors import ModelError

SILENCE_NUMBER = 0
POSITIONS = ("begin", "end", "internal", "singleton")
"""In the order of their Kaldi numbers; the words of word_boundary.int."""

_LETTERS = dict(zip(POSITIONS, "BEIS", strict=True))
_TONE = re.compile(r"(.+?)(\d)(\^?)")


@dataclass(frozen=True)
class Inventory:
    """All phones; a phone's place is the number of the network's output for it. The first is silence."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, phones: Iterable[str]) -> Inventory:
        return cls((SILENCE, *sorted(set(phones) - {SILENCE})))

    @cached_property
    def numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    def nearest(self, phone: str) -> int:
        """The number of a phone, or of one that differs in tone only, the neutral one first. Raises ModelError.

        Rare words have a vowel in a tone that the network has never heard.
        """
        if phone in self.numbers:
            return self.numbers[phone]
        if parts := _TONE.fullmatch(phone):
            tones = [parts[1] + tone for tone in "51243"]
            # 嗯 is a vowel to espeak-ng, and sounds as the consonant does.
            for other in (*(name + parts[3] for name in tones), *tones, parts[1].rstrip("-")):
                if other in self.numbers:
                    return self.numbers[other]
        raise ModelError(f"this model has no sound for the phone {phone!r}")


def kaldi_phone(number: int, position: str) -> int:
    """Kaldi's number of a phone at that place in a word: 1 is silence, then four for each phone."""
    return 1 if number == SILENCE_NUMBER else 2 + 4 * (number - 1) + POSITIONS.index(position)


def entry(phone: int) -> int:
    """The transition by which a Kaldi phone is left. In a graph it stands on the way in, before the loop."""
    return 2 * phone


def self_loop(phone: int) -> int:
    """The transition by which a Kaldi phone lasts."""
    return 2 * phone - 1


def kaldi_count(inventory: Inventory) -> int:
    """How many phones there are to Kaldi."""
    return 1 + 4 * (len(inventory.names) - 1)


def write(inventory: Inventory, graph: Path) -> None:
    """Write phones.txt and phones/word_boundary.int into a model's graph folder."""
    table, boundaries = [f"<eps> 0\n{SILENCE} 1\n"], ["1 nonword\n"]
    for number, name in enumerate(inventory.names[1:], 1):
        for position in POSITIONS:
            identity = kaldi_phone(number, position)
            table.append(f"{name}_{_LETTERS[position]} {identity}\n")
            boundaries.append(f"{identity} {position}\n")
    (graph / "phones").mkdir(parents=True, exist_ok=True)
    (graph / "phones.txt").write_text("".join(table), encoding="utf-8")
    (graph / "phones" / "word_boundary.int").write_text("".join(boundaries), encoding="utf-8")


def read(graph: Path) -> Inventory:
    """The inventory of a model that this program made. Raises ModelError when it is another's."""
    path = graph / "phones.txt"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as problem:
        raise ModelError(
            f"{path} cannot be read ({problem.strerror}); only a model of our recipe takes words"
        ) from None
    names = [line.split()[0].removesuffix("_B") for line in lines if line.split()[0].endswith("_B")]
    inventory = Inventory((SILENCE, *names))
    if len(lines) != 1 + kaldi_count(inventory):
        raise ModelError(f"{path} is not a table of phones of our recipe; only a model of our recipe takes words")
    return inventory
