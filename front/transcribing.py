"""`server.py transcribe`: what a recording says, heard as live calls are heard, one JSON object an utterance."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from asr_models import audio_file, vosk_recogniser
from asr_models.audio_file import AudioFileError
from asr_models.catalogue import InstalledModel, choose
from asr_models.errors import ModelError, RecognitionError, UnknownModelError
from asr_models.gate import GatedStream
from asr_models.recogniser import RATE, Final
from routing.jurisdiction import Jurisdiction
from routing.jurisdiction import load as load_jurisdiction
from routing.reading.written import SpokenWord, written
from settings import Settings

_WRITTEN_LANGUAGE = "zh"
"""What `written` makes readable; other languages are left as they were heard."""


def add_transcribe(transcribe: argparse.ArgumentParser) -> None:
    """Add the arguments of `transcribe`; the parsed ones then have `handler`, (args, settings) -> exit code."""
    transcribe.add_argument("file", type=Path, metavar="FILE", help="a recording; of two channels each is a speaker")
    transcribe.add_argument("--model", default="", metavar="NAME", help="a model that is installed (listening.model)")
    transcribe.set_defaults(handler=_transcribe)


def _transcribe(arguments: argparse.Namespace, settings: Settings) -> int:
    """Exit code 1 when the recording or the model cannot be used; what was heard until then has been printed."""
    try:
        _print_all(arguments.file, _model(arguments.model or settings.hotline.listening.model, settings), settings)
    except (AudioFileError, ModelError, UnknownModelError, RecognitionError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


def _model(name: str, settings: Settings) -> InstalledModel:
    model = choose(name, settings.models_dir)
    if model is None:
        raise ModelError(f"the model '{name}' is not installed; `server.py models list` shows those that are")
    return model


def _print_all(file: Path, model: InstalledModel, settings: Settings) -> None:
    count = audio_file.channels(file)  # before the model, which takes seconds to load
    jurisdiction = None
    if model.language == _WRITTEN_LANGUAGE:
        jurisdiction = load_jurisdiction(settings.jurisdiction_dir / f"{settings.hotline.jurisdiction}.yaml")
    recogniser = vosk_recogniser.load(model)
    section = settings.hotline.listening
    streams = [GatedStream(recogniser.start(), section.gate_aggressiveness) for _ in range(count)]
    step = int(section.chunk_ms * RATE / 1000) * 2
    for second in audio_file.read(file, count):
        for speaker, (stream, pcm) in enumerate(zip(streams, second, strict=True), start=1):
            for start in range(0, len(pcm), step):
                for result in stream.feed(pcm[start : start + step]):
                    if isinstance(result, Final):
                        _print(result, speaker, jurisdiction)
    for speaker, stream in enumerate(streams, start=1):
        for final in stream.close():
            _print(final, speaker, jurisdiction)


def _print(final: Final, speaker: int, jurisdiction: Jurisdiction | None) -> None:
    told: dict[str, Any] = {
        "speaker": speaker,
        "start": final.start,
        "end": final.end,
        "confidence": final.confidence,
        "text": final.text,
    }
    if jurisdiction:
        told["written"] = written([SpokenWord(w.text, w.start, w.end) for w in final.words], jurisdiction).text
    told["words"] = [
        {"text": word.text, "start": word.start, "end": word.end, "confidence": word.confidence} for word in final.words
    ]
    print(json.dumps(told, ensure_ascii=False), flush=True)
