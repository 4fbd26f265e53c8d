"""How well a model hears the synthetic voice through a telephone line: the figures of the demo model's README."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml
from pypinyin import Style, lazy_pinyin
from rapidfuzz.distance import Levenshtein

from asr_models.catalogue import InstalledModel
from asr_models.demo_model import channel
from asr_models.demo_model.corpus import VARIANTS, padded
from asr_models.demo_model.pronunciation import pronounce
from asr_models.demo_model.synthesiser import Manner, Synthesiser
from asr_models.demo_model.vocabulary import Vocabulary
from asr_models.recogniser import GAP, RATE, Final, Recogniser
from asr_models.vosk_recogniser import load

Progress = Callable[[str, int, int], None]
Line = Callable[[channel.Samples, random.Random], channel.Samples]

_CHUNK = 3200
"""Bytes: 200 ms, as the hotline hands them over."""
_BEFORE, _AFTER = 0.3, 0.5
"""Seconds of silence around each text."""
NON_SPEECH = 20
"""Recordings of each sound that is no speech."""
_SENTENCES, _WORDS, _NUMBERS = 60, 150, 50
"""Texts of each kind; the whole takes some minutes."""
_SEED = 77


@dataclass
class Score:
    """What became of the texts of one set. `wrong`, `sounds_wrong`: characters, and their syllables, that were not
    heard right; a homophone is a wrong character and a right syllable.
    """

    name: str
    texts: int = 0
    exact: int = 0
    characters: int = 0
    wrong: int = 0
    sounds_wrong: int = 0
    seconds: float = 0.0
    decoding: float = 0.0
    worst: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, said: str, heard: str) -> None:
        """Count one text."""
        wrong = Levenshtein.distance(said, heard)
        self.texts += 1
        self.exact += wrong == 0
        self.characters += len(said)
        self.wrong += wrong
        self.sounds_wrong += Levenshtein.distance(_syllables(said), _syllables(heard))
        if wrong:
            self.worst = sorted([*self.worst, (wrong, said, heard)], reverse=True)[:5]

    def __str__(self) -> str:
        return (
            f"| {self.name} | {self.texts} | {100 * self.wrong / self.characters:.2f} % "
            f"| {100 * self.sounds_wrong / self.characters:.2f} % | {100 * self.exact / self.texts:.1f} % "
            f"| {self.decoding / self.seconds:.4f} |"
        )


def measure(
    model: InstalledModel, vocabulary: Vocabulary, words: Sequence[str], voice: Synthesiser, progress: Progress
) -> tuple[list[Score], dict[str, int]]:
    """The scores of each set, and for each sound that is no speech how many of 20 recordings gave any text."""
    recogniser = load(model)
    written = tuple(yaml.safe_load(Path(__file__).with_name("measuring.yaml").read_text(encoding="utf-8"))["sentences"])
    chance = random.Random(_SEED)
    spoken = [text for text in vocabulary.unseen if re.fullmatch(r"[\u4e00-\u9fff]+", text)]
    spoken = chance.sample(spoken, min(len(spoken), _SENTENCES))
    alone = chance.sample(sorted(words), min(len(words), _WORDS))
    numbers = list(_numbers(chance, _NUMBERS))
    clean: Line = lambda samples, _: channel.mu_law(samples)  # noqa: E731
    sets: list[tuple[str, Sequence[str], Line, bool]] = [
        ("sentences written for this", written, clean, False),
        ("the same, any voice, speed and line", written, channel.line, True),
        ("unseen sentences of data/sentences", spoken, clean, False),
        ("the same, any voice, speed and line", spoken, channel.line, True),
        ("single words", alone, clean, False),
        ("telephone numbers, digits repeated", numbers, clean, False),
        ("the same, any voice, speed and line", numbers, channel.line, True),
        *((f"sentences, white noise {level} dB", written, _noisy("white", level), False) for level in (20, 10, 5, 0)),
        *((f"sentences, pink noise {level} dB", written, _noisy("pink", level), False) for level in (10, 0)),
    ]
    scores = []
    for number, (name, texts, line, varied) in enumerate(sets):
        progress("measuring", number, len(sets) + 1)
        scores.append(_scored(name, texts, line, varied, recogniser, voice))
    progress("measuring", len(sets), len(sets) + 1)
    texts_of = {}
    for kind in sorted(set(channel.SOUNDS)):
        sounds = (
            channel.sound(kind, int(chance.uniform(1, 8) * RATE), chance) * 10 ** chance.uniform(0.5, 3.7)
            for _ in range(NON_SPEECH)
        )
        texts_of[kind] = sum(bool(_heard(recogniser, channel.mu_law(made))) for made in sounds)
    progress("measuring", len(sets) + 1, len(sets) + 1)
    return scores, texts_of


def _scored(
    name: str, texts: Sequence[str], line: Line, varied: bool, recogniser: Recogniser, voice: Synthesiser
) -> Score:
    score = Score(name)
    chance = random.Random(_SEED)
    for text in texts:
        manner = Manner()
        if varied:
            variant = "+" + chance.choice(VARIANTS) if chance.random() < 0.6 else ""
            manner = Manner(variant, chance.randint(100, 240), chance.randint(20, 80), chance.randint(30, 70))
        said = pronounce(text, manner, voice)
        if said is None:
            continue
        samples = line(padded(said, _BEFORE, _AFTER), chance)
        began = time.process_time()
        heard = _heard(recogniser, samples)
        score.decoding += time.process_time() - began
        score.seconds += len(samples) / RATE
        score.add(text, heard)
    return score


def _heard(recogniser: Recogniser, samples: channel.Samples) -> str:
    stream = recogniser.start()
    pcm = np.clip(np.round(samples), -32768, 32767).astype("<i2").tobytes()
    results = [result for at in range(0, len(pcm), _CHUNK) for result in stream.feed(pcm[at : at + _CHUNK])]
    finals = [result for result in (*results, *stream.close()) if isinstance(result, Final)]
    return "".join(word.text for final in finals for word in final.words if word.text != GAP)


def _noisy(kind: str, level: int) -> Line:
    def line(samples: channel.Samples, chance: random.Random) -> channel.Samples:
        loudness = float(np.sqrt((samples**2).mean()))
        background = channel.sound(kind, len(samples), chance) * loudness * 10 ** (-level / 20)
        return channel.mu_law(samples + background)

    return line


def _numbers(chance: random.Random, count: int) -> Iterator[str]:
    """Mobile numbers in which every third digit is that before it."""
    for _ in range(count):
        digits = chance.choice(("一三", "一五", "一八", "幺三", "幺八"))
        while len(digits) < 11:
            again = chance.random() < 0.35
            digits += digits[-1] if again else chance.choice("零一二三四五六七八九")
        yield digits


def _syllables(text: str) -> list[str]:
    return lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True)
