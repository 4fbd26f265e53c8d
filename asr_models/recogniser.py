"""Speech to text as the rest of the program sees it: audio in, what is being said and what was said out.

Vosk stands behind it (`vosk_recogniser.py`); another engine needs only these two protocols. All positions are
seconds of the audio that was handed in, whether an engine decoded all of it or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

RATE = 8000
"""Samples per second of all audio here: signed 16-bit little-endian mono, as telephone lines carry it."""

GAP = "[unk]"
"""Stands in a text for what was heard but is no word that the model knows."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word: begin and end in seconds, confidence 0-1."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Interim:
    """What is being said, so far; the next Interim or Final takes its place. Empty: nothing was said after all."""

    text: str


@dataclass(frozen=True, slots=True)
class Final:
    """What was said between two pauses. `confidence` (0-1) is the mean of the words'."""

    text: str
    start: float
    end: float
    confidence: float
    words: tuple[Word, ...]


class Stream(Protocol):
    """The audio of one speaker. Not to be used by two threads at once; several streams may run in several."""

    def feed(self, pcm: bytes) -> list[Interim | Final]:
        """Hear the next audio (whole samples). Raises asr_models.errors.RecognitionError."""

    def skip(self, samples: int) -> list[Interim | Final]:
        """Finish what is being said; the next `samples` samples are not heard, but count in all positions.

        Raises RecognitionError.
        """

    def close(self) -> list[Final]:
        """Finish what is being said; nothing may be fed after this. Raises RecognitionError."""


class Recogniser(Protocol):
    """A loaded model, shared by all streams."""

    @property
    def name(self) -> str:
        """The model's name, such as `vosk-model-small-cn-0.22`."""

    def start(self) -> Stream:
        """A new stream, its position 0. Raises RecognitionError."""


def joined(words: list[str]) -> str:
    """Words as a text: Chinese without spaces, a space between two words of other scripts."""
    text = ""
    for word in words:
        if text and word and text[-1].isascii() and word[0].isascii():
            text += " "
        text += word
    return text
