"""The calls as the listening service would hear them: espeak-ng's voice, a telephone's mu-law, the gate, the model.

Agents' utterances are left as text: they are no source of facts, and what the agent hears of the caller is not in
question. What was heard is kept in a folder under a name made of all that it depends on; a second run is quick.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from rapidfuzz.distance import Levenshtein

from asr_models import vosk_recogniser
from asr_models.catalogue import InstalledModel
from asr_models.gate import GatedStream
from asr_models.recogniser import GAP, RATE, Final, Recogniser
from evaluation.cases import Case, as_heard
from evaluation.likeness import syllables
from ivr import voice
from routing.reading.spoken import Heard

_WORDS_PER_MINUTE = 165
_TAIL = bytes(RATE * 2)
"""A second of silence at the end: a caller waits for an answer."""


@dataclass(frozen=True)
class Spoken:
    """One utterance of a caller: what was said, the recogniser's utterances, seconds of audio and of work."""

    said: str
    heard: tuple[str, ...]
    audio_seconds: float
    work_seconds: float


@dataclass(frozen=True)
class Ear:
    """A loaded model with the settings of the listening service; `fingerprint` changes with any of them."""

    recogniser: Recogniser
    chunk_ms: int
    gate: int
    fingerprint: str


@dataclass
class Errors:
    """Errors of recognition, added up over utterances; gap marks count as characters that are missing."""

    characters: int = 0
    wrong_characters: int = 0
    syllables: int = 0
    wrong_syllables: int = 0
    gaps: int = 0
    utterances: int = 0
    audio_seconds: float = 0.0
    work_seconds: float = 0.0


def ear(model: InstalledModel, chunk_ms: int, gate: int) -> Ear:
    """Load the model. Raises asr_models.errors.ModelError."""
    fingerprint = hashlib.sha256(f"{chunk_ms} {gate} {_WORDS_PER_MINUTE}".encode())
    for file in sorted(path for path in model.folder.rglob("*") if path.is_file()):
        fingerprint.update(f"{file.relative_to(model.folder)}\n".encode())
        fingerprint.update(file.read_bytes())
    return Ear(vosk_recogniser.load(model), chunk_ms, gate, fingerprint.hexdigest())


def listen(cases: Sequence[Case], ear: Ear, kept: Path) -> dict[str, Spoken]:
    """Every caller's utterance of the cases, heard; by its text. `kept` is the folder of earlier results.

    Raises voice.VoiceError, asr_models.errors.RecognitionError, OSError.
    """
    texts = dict.fromkeys(turn.text for case in cases for turn in case.said if turn.speaker == "caller")
    speakable = [text for text in texts if any(character.isalnum() for character in text)]
    kept.mkdir(parents=True, exist_ok=True)
    heard: dict[str, Spoken] = {}
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for number, spoken in enumerate(threads.map(lambda text: _kept(text, ear, kept), speakable), start=1):
            heard[spoken.said] = spoken
            if number % 50 == 0 or number == len(speakable):
                print(f"{number} of {len(speakable)} utterances heard", file=sys.stderr, flush=True)
    return heard


def transcript(case: Case, spoken: dict[str, Spoken]) -> list[Heard]:
    """The case as the listening service tells it, an utterance for each pause."""
    turns: list[tuple[str, str]] = []
    for turn in case.said:
        heard = [turn.text] if turn.speaker == "agent" else spoken[turn.text].heard if turn.text in spoken else ()
        turns.extend((turn.speaker, text) for text in heard)
    return as_heard(turns)


def errors(utterances: Sequence[Spoken]) -> Errors:
    """The errors of recognition in these utterances."""
    total = Errors(utterances=len(utterances))
    for one in utterances:
        # Digits are said in words, so that is what there was to hear.
        said, heard = _characters(voice.in_words(one.said)), _characters("".join(one.heard).replace(GAP, ""))
        total.characters += len(said)
        total.wrong_characters += Levenshtein.distance(said, heard)
        sounded = syllables(said)
        total.syllables += len(sounded)
        total.wrong_syllables += Levenshtein.distance(sounded, syllables(heard))
        total.gaps += sum(text.count(GAP) for text in one.heard)
        total.audio_seconds += one.audio_seconds
        total.work_seconds += one.work_seconds
    return total


def _characters(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def _kept(text: str, ear: Ear, kept: Path) -> Spoken:
    name = hashlib.sha256(f"{ear.fingerprint}\n{text}".encode()).hexdigest()
    file = kept / f"{name}.json"
    if file.is_file():
        found = json.loads(file.read_text(encoding="utf-8"))
        return Spoken(**{**found, "heard": tuple(found["heard"])})
    spoken = _heard(text, ear)
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(asdict(spoken), ensure_ascii=False), encoding="utf-8")
    part.replace(file)
    return spoken


def _heard(text: str, ear: Ear) -> Spoken:
    pcm = telephone_audio(text) + _TAIL
    began = time.thread_time()
    stream = GatedStream(ear.recogniser.start(), ear.gate)
    size = ear.chunk_ms * RATE // 1000 * 2
    finals: list[str] = []
    for start in range(0, len(pcm), size):
        finals += [one.text for one in stream.feed(pcm[start : start + size]) if isinstance(one, Final)]
    finals += [one.text for one in stream.close()]
    worked = time.thread_time() - began
    return Spoken(text, tuple(finals), round(len(pcm) / (2 * RATE), 2), round(worked, 3))


def telephone_audio(text: str) -> bytes:
    """The text spoken by espeak-ng as a telephone line carries it (G.711 mu-law, 8 kHz), as signed 16-bit samples.

    Raises voice.VoiceError.
    """
    with tempfile.TemporaryDirectory() as name:
        wide, narrow, plain = (Path(name) / file for file in ("wide.wav", "mulaw.wav", "plain.raw"))
        voice.speak(text, wide, words_per_minute=_WORDS_PER_MINUTE)
        voice.convert(wide, narrow, output=("-r", str(RATE), "-c", "1", "-e", "mu-law"), effects=("gain", "-1"))
        voice.convert(narrow, plain, output=("-e", "signed", "-b", "16", "-L"))
        return plain.read_bytes()
