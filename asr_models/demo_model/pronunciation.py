"""What a text sounds like: its phones, a character at a time, with the moments at which the voice says them.

A phone is a sound as espeak-ng names it. A vowel carries its tone ("au3"): without it 大家 and 打架, 水务局 and 税务局
are the same. A vowel that begins a syllable has an onset of its own ("@r4^"): without it 二二 is one long 二.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from asr_models.demo_model.synthesiser import RATE, Manner, Speech, Synthesiser
from asr_models.errors import ModelError

SILENCE = "SIL"

_CONSONANTS = frozenset(
    [
        "n",
        "N",
        "j",
        "s.",
        "tS;",
        "w",
        "t",
        "l",
        "p",
        "S;",
        "ts.h",
        "X",
        "m",
        "ts.",
        "k",
        "th",
        "f",
        "tS;h",
        "tsh",
        "kh",
        "ts",
        "s",
        "z.",
        ";",
        "ph",
    ]
)
_PAUSES = frozenset(["_|", "_:", "_", "_!", "_::", "|"])
_TONES = {"55": "1", "35": "2", "21": "3", "214": "3", "51": "4"}
_TONE = re.compile(r"(?<=[^\d])(214|\d\d)")
_NEUTRAL = "5"
_PUNCTUATION = "，"

_SHORT_PAUSE = 0.09
"""Seconds. A shorter gap is the closure of the stop that follows it and belongs to that."""

_ONSET = 0.06
"""Seconds: two frames of the network, so that at least one falls into it."""


@dataclass(frozen=True)
class Segment:
    """A phone until `end`, in seconds from the beginning of the speech."""

    end: float
    phone: str


@dataclass(frozen=True)
class Pronounced:
    """A text said once: the phones of each of its characters (none for punctuation), and when each is heard."""

    speech: Speech
    characters: tuple[tuple[str, ...], ...]
    segments: tuple[Segment, ...]


def pronounce(text: str, manner: Manner, voice: Synthesiser) -> Pronounced | None:
    """Say a text of hanzi and commas; None when espeak-ng's sounds cannot be told apart character by character.

    That happens to a few in a thousand: it then names a tone for a sound that it does not say.
    """
    tones = _tones(text, voice)
    if tones is None:
        return None
    speech = voice.speak(text, manner)
    length = len(speech.samples) / RATE
    heard: list[list[str]] = [[] for _ in text]
    vowels = [0] * len(text)
    timed: list[tuple[float, str]] = []
    for number, sound in enumerate(speech.sounds):
        end = speech.sounds[number + 1].start if number + 1 < len(speech.sounds) else length
        if sound.name in _PAUSES:
            timed.append((end, SILENCE))
            continue
        where = sound.character
        if not 0 <= where < len(text):
            return None
        if sound.name in _CONSONANTS:
            heard[where].append(sound.name)
            timed.append((end, sound.name))
            continue
        if vowels[where] >= len(tones[where]):
            return None
        vowel = sound.name + tones[where][vowels[where]]
        vowels[where] += 1
        if not heard[where]:
            heard[where].append(vowel + "^")
            timed.append((sound.start + min(_ONSET, (end - sound.start) / 2), vowel + "^"))
        heard[where].append(vowel)
        timed.append((end, vowel))
    if any(vowels[place] != len(tones[place]) for place in range(len(text))):
        return None
    if any(not phones for phones, character in zip(heard, text, strict=True) if character not in _PUNCTUATION):
        return None
    return Pronounced(speech, tuple(tuple(phones) for phones in heard), _without_short_pauses(timed))


def phones_of(word: str, voice: Synthesiser) -> tuple[str, ...]:
    """The phones of a word said alone. Raises ModelError for what the voice does not read as hanzi."""
    said = pronounce(word, Manner(), voice)
    if said is None:
        raise ModelError(f"the voice does not say {word!r} character by character; a word is written in hanzi only")
    return tuple(phone for phones in said.characters for phone in phones)


def _tones(text: str, voice: Synthesiser) -> list[list[str]] | None:
    places = [place for place, character in enumerate(text) if character not in _PUNCTUATION]
    syllables = voice.spelling(text)
    if len(syllables) != len(places):
        return None
    tones: list[list[str]] = [[] for _ in text]
    for place, syllable in zip(places, syllables, strict=True):
        tones[place] = [_TONES.get(tone, _NEUTRAL) for tone in _TONE.findall(syllable)]
    return tones


def _without_short_pauses(timed: list[tuple[float, str]]) -> tuple[Segment, ...]:
    kept: list[Segment] = []
    start = 0.0
    for number, (end, phone) in enumerate(timed):
        last = number + 1 == len(timed)
        short = phone == SILENCE and end - start < _SHORT_PAUSE and not last and timed[number + 1][1] != SILENCE
        if not short and end > start:
            kept.append(Segment(end, phone))
            start = end
        elif not short:
            # A sound of no length: what follows takes its place.
            continue
    return tuple(kept)
