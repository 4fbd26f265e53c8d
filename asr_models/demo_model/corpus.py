"""The speech from which the sounds are learned: what is said does not matter, that every sound occurs in many
surroundings does. So it is the characters of GB 2312's first level, frequent words of the language in random order,
digits as telephone numbers have them, random characters, and sounds that are no speech. It does not depend on the
hotline's vocabulary: new words leave it, and what was learned from it, as they are.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from asr_models.demo_model import channel
from asr_models.demo_model.mfcc import FRAME_CENTRE, FRAME_SHIFT, mfcc
from asr_models.demo_model.phones import SILENCE_NUMBER, Inventory
from asr_models.demo_model.pronunciation import SILENCE, Pronounced, pronounce
from asr_models.demo_model.synthesiser import RATE, Manner, Synthesiser
from asr_models.demo_model.vocabulary import dictionary

Progress = Callable[[str, int, int], None]
"""(what is being done, how much of it is done, how much there is)"""

_VARIANT_NAMES = """
m1 m2 m3 m4 m5 m6 m7 f1 f2 f3 f4 f5 Alex Andrea Andy Denis Diogo Gene Gene2 Henrique Hugo Jacky Lee
Marco Mario Michael Mike Nguyen adam anika aunty belinda benjamin boris caleb david ed edward
grandma grandpa john linda max kaukovalta klatt klatt2 klatt3 michel miguel pablo paul pedro quincy
rob robert sandro shelby steph steph2 travis victor
"""
VARIANTS = tuple(_VARIANT_NAMES.split())
"""espeak-ng's variants that sound like people."""

_DIGITS = "零一二三四五六七八九"
_TELEPHONE = _DIGITS + "幺"
_FREQUENT_WORDS = 12000
_NON_SPEECH, _DIGIT_STRINGS, _CHARACTER_STRINGS = 0.08, 0.2, 0.4
"""Bounds of the shares of what is drawn; the rest are words."""


@dataclass(frozen=True)
class Example:
    """An utterance as the network hears it, and the number of the phone that is said at each frame."""

    frames: npt.NDArray[np.float32]
    phones: npt.NDArray[np.int16]


_INTERJECTIONS = "嗯哦哎唉喂呃噢啦嘛哇嘿哼咯呗哈呀哟"
"""What people say while they think; some are not of GB 2312's first level, or have a sound of their own."""
_HESITATIONS = 12
"""How often each of them stands among the characters that are drawn."""


def characters() -> list[str]:
    """The 3,755 hanzi of GB 2312's first level, in its order."""
    rows = (bytes([row, cell]) for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF))
    return [pair.decode("gb2312") for pair in rows if not (pair[0] == 0xD7 and pair[1] > 0xF9)]


@cache
def frequent_words() -> tuple[str, ...]:
    """The most frequent words of two to four of these characters, by jieba's dictionary; the most frequent first."""
    usual = frozenset(characters())
    counted: list[tuple[int, str]] = []
    for word, count, _ in dictionary():
        if 2 <= len(word) <= 4 and usual.issuperset(word):
            counted.append((-count, word))
    return tuple(word for _, word in sorted(counted)[:_FREQUENT_WORDS])


def inventory(voice: Synthesiser) -> Inventory:
    """All phones that occur in the characters, the frequent words and the digits."""
    found: set[str] = set()
    for text in (*characters(), *_INTERJECTIONS, *frequent_words(), *_TELEPHONE):
        said = pronounce(text, Manner(), voice)
        if said is not None:
            found.update(phone for phones in said.characters for phone in phones)
    return Inventory.of(found)


def examples(count: int, seed: int, phones: Inventory, voice: Synthesiser, progress: Progress) -> list[Example]:
    """`count` utterances less the few that the voice does not tell apart; the same ones for the same seed."""
    chance = random.Random(seed)
    made: list[Example] = []
    for number, text in enumerate(_texts(count, chance)):
        if number % 500 == 0:
            progress("speaking", number, count)
        example = _non_speech(chance) if text is None else _spoken(text, phones, voice, chance)
        if example is not None:
            made.append(example)
    progress("speaking", count, count)
    return made


def _texts(count: int, chance: random.Random) -> Iterator[str | None]:
    usual, words = characters() + list(_INTERJECTIONS) * _HESITATIONS, frequent_words()
    # Frequency sinks with rank; so drawn, common words come often and rare ones still come.
    weights = [1 / (rank + 200) for rank in range(len(words))]
    yield from usual[:count]
    for _ in range(count - len(usual)):
        kind = chance.random()
        if kind < _NON_SPEECH:
            yield None
        elif kind < _DIGIT_STRINGS:
            yield _digits(chance)
        elif kind < _CHARACTER_STRINGS:
            yield "".join(chance.choice(usual) for _ in range(chance.randint(3, 10)))
        else:
            yield "".join(
                word + ("，" if chance.random() < 0.15 else "")
                for word in chance.choices(words, weights, k=chance.randint(2, 7))
            ).rstrip("，")


def _digits(chance: random.Random) -> str:
    said = chance.choice(_TELEPHONE)
    length = chance.randint(3, 12)
    while len(said) < length:
        # One in three is said again: 三三, 八八八.
        said += said[-1] if chance.random() < 0.33 else chance.choice(_TELEPHONE)
    return said


def _manner(chance: random.Random) -> Manner:
    return Manner(
        variant="+" + chance.choice(VARIANTS) if chance.random() < 0.6 else "",
        speed=chance.randint(100, 240) if chance.random() < 0.75 else 165,
        pitch=chance.randint(20, 80) if chance.random() < 0.75 else 50,
        range=chance.randint(30, 70) if chance.random() < 0.5 else 50,
    )


def _spoken(text: str, phones: Inventory, voice: Synthesiser, chance: random.Random) -> Example | None:
    said = pronounce(text, _manner(chance), voice)
    if said is None or not said.segments or any(segment.phone not in phones.numbers for segment in said.segments):
        return None
    before, after = chance.uniform(0.05, 0.6), chance.uniform(0.05, 0.6)
    samples = padded(said, before, after)
    heard = channel.mu_law(samples) if chance.random() < 0.25 else channel.line(samples, chance)
    frames = mfcc(heard)
    ends = np.array([before, *(before + segment.end for segment in said.segments)])
    names = [SILENCE, *(segment.phone for segment in said.segments), SILENCE]
    numbers = np.array([phones.numbers[name] for name in names], np.int16)
    centres = np.arange(len(frames)) * FRAME_SHIFT + FRAME_CENTRE
    return Example(frames, numbers[np.searchsorted(ends, centres, side="right")])


def padded(said: Pronounced, before: float, after: float) -> channel.Samples:
    """The speech at 8 kHz between `before` and `after` seconds of silence."""
    wide = np.frombuffer(said.speech.samples, np.int16).astype(np.float64)
    silences = (np.zeros(int(seconds * channel.RATE)) for seconds in (before, after))
    return np.concatenate([next(silences), channel.at_8_khz(wide, RATE), next(silences)])


def _non_speech(chance: random.Random) -> Example:
    length = int(chance.uniform(1, 5) * channel.RATE)
    made = channel.sound(chance.choice(channel.SOUNDS), length, chance) * 10 ** chance.uniform(0.5, 3.7)
    frames = mfcc(channel.line(made, chance))
    return Example(frames, np.full(len(frames), SILENCE_NUMBER, np.int16))
