"""Vosk behind the recogniser's interface: one shared model, one KaldiRecognizer for each stream.

Vosk releases the GIL while it decodes, and one `vosk.Model` may be used by many threads.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import vosk

from asr_models.catalogue import InstalledModel, missing_files
from asr_models.errors import ModelError, RecognitionError
from asr_models.probe import probe
from asr_models.recogniser import (
    GAP,
    RATE,
    Final,
    Interim,
    Recogniser,
    Stream,
    Word,
    joined,
)
from asr_models.telephone_rate import openable

_UNKNOWN = {"<unk>", "<UNK>", "[UNK]"}
"""Other spellings of GAP in models of other makers."""
_LONGEST_SYLLABLE = 1.0
"""Seconds. A model that must find words in a fax or in music stretches one over it."""


def load(model: InstalledModel) -> Recogniser:
    """Load a model for all streams of this process; takes as long as reading its files twice.

    Raises ModelError: files are missing, or Vosk cannot open it.
    """
    advice = f"`server.py models verify {model.name}` says what is wrong, `models install {model.name}` replaces it"
    missing = missing_files(model.folder)
    if missing:
        raise ModelError(f"the model '{model.name}' in {model.folder} lacks {', '.join(missing)}; {advice}")
    vosk.SetLogLevel(-1)
    try:
        with openable(model.folder) as folder:
            probe(folder)
            return _VoskRecogniser(model.name, _open(folder))
    except (ModelError, OSError, ValueError) as problem:
        raise ModelError(f"the model '{model.name}' in {model.folder} cannot be used: {problem}; {advice}") from problem


def _open(folder: Path) -> Any:
    try:
        return vosk.Model(str(folder))
    except Exception as problem:  # Vosk raises nothing more precise
        raise ModelError(str(problem)) from problem


class _VoskRecogniser:
    def __init__(self, name: str, model: Any) -> None:
        self._name = name
        self._model = model

    @property
    def name(self) -> str:
        return self._name

    def start(self) -> Stream:
        try:
            return _VoskStream(vosk.KaldiRecognizer(self._model, RATE))
        except Exception as problem:  # Vosk raises nothing more precise
            raise RecognitionError(f"Vosk could not begin a stream: {problem}") from problem


class _VoskStream:
    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._engine.SetWords(True)
        self._skipped = 0
        self._shown = ""

    def feed(self, pcm: bytes) -> list[Interim | Final]:
        if not pcm:
            return []
        try:
            ended = self._engine.AcceptWaveform(pcm)
        except Exception as problem:  # Vosk raises nothing more precise
            raise RecognitionError(f"Vosk could not decode {len(pcm)} bytes: {problem}") from problem
        if ended:
            return self._finished(self._engine.Result())
        words = _spelt(json.loads(self._engine.PartialResult())["partial"].split())
        text = joined(words)
        if _only_gaps(words) or text == self._shown:
            return []
        self._shown = text
        return [Interim(text)]

    def skip(self, samples: int) -> list[Interim | Final]:
        # FinalResult, not Result: it also decodes the last frames, which wait for their right context.
        results = self._finished(self._engine.FinalResult())
        # Vosk's clock goes on across results, so what it did not hear is a shift of all that follows.
        self._skipped += samples
        return results

    def close(self) -> list[Final]:
        return [result for result in self.skip(0) if isinstance(result, Final)]

    def _finished(self, result: str) -> list[Interim | Final]:
        shown, self._shown = self._shown, ""
        heard = json.loads(result).get("result", [])
        texts = [_believed(text, item) for item, text in zip(heard, _spelt([i["word"] for i in heard]), strict=True)]
        if _no_speech(texts, heard):
            # What was shown of it meanwhile is taken back.
            return [Interim("")] if shown else []
        shift = self._skipped / RATE
        words = tuple(
            Word(text, round(item["start"] + shift, 3), round(item["end"] + shift, 3), min(item["conf"], 1.0))
            for item, text in zip(heard, texts, strict=True)
        )
        confidence = sum(word.confidence for word in words) / len(words)
        return [Final(joined(texts), words[0].start, words[-1].end, round(confidence, 4), words)]


def _spelt(words: list[str]) -> list[str]:
    return [GAP if word in _UNKNOWN else word for word in words]


def _believed(text: str, heard: dict[str, Any]) -> str:
    # A character is a syllable in Chinese, and at least a quarter of one elsewhere.
    syllables = (len(text) + 3) // 4 if text.isascii() else len(text)
    return text if heard["end"] - heard["start"] <= _LONGEST_SYLLABLE * syllables else GAP


def _no_speech(texts: list[str], heard: list[dict[str, Any]]) -> bool:
    """Whether nothing was said: gaps alone, or now and then a syllable in a longer sound that is none."""
    gaps = sum(item["end"] - item["start"] for item, text in zip(heard, texts, strict=True) if text == GAP)
    words = sum(item["end"] - item["start"] for item, text in zip(heard, texts, strict=True) if text != GAP)
    syllables_only = all(text == GAP or (len(text) == 1 and not text.isascii()) for text in texts)
    return _only_gaps(texts) or (syllables_only and gaps > words)


def _only_gaps(words: list[str]) -> bool:
    # A ringing tone or music between two words is [unk] to some models: no speech, so nothing to tell.
    return all(word == GAP for word in words)
