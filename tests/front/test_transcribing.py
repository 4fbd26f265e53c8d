"""`server.py transcribe` as it is typed: real recordings of several kinds, and files that are none."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import settings as configuration
from asr_models import audio_file
from asr_models.catalogue import DEMO_FOLDER
from front import transcribing
from ivr import voice
from tests.asr_models.spoken import LAMPS, WATER, say, seconds, silence

Transcribe = Callable[..., tuple[int, list[dict[str, Any]], str]]


@pytest.fixture
def transcribe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Transcribe:
    """transcribe(file, ...) -> exit code, the objects on standard output, standard error."""

    def run(*words: object) -> tuple[int, list[dict[str, Any]], str]:
        parser = argparse.ArgumentParser()
        transcribing.add_transcribe(parser)
        arguments = parser.parse_args([str(word) for word in words])
        code = arguments.handler(arguments, configuration.load(configuration.ROOT / "config", tmp_path / "data"))
        shown = capsys.readouterr()
        return int(code), [json.loads(line) for line in shown.out.splitlines()], shown.err

    return run


def recording(path: Path, pcm: bytes, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(pcm)
    return path


def test_utterances_with_times_words_and_readable_text(tmp_path: Path, transcribe: Transcribe) -> None:
    pcm = silence(2) + say(LAMPS) + silence(3) + say(WATER) + silence(1)
    code, (first, second), err = transcribe(recording(tmp_path / "a.wav", pcm), "--model", "demo")
    assert (code, err) == (0, "")
    assert (first["text"], second["text"]) == (LAMPS, WATER)
    assert first["start"] == pytest.approx(2, abs=0.3)
    assert second["start"] == pytest.approx(5 + seconds(say(LAMPS)), abs=0.3)
    assert "".join(word["text"] for word in first["words"]) == LAMPS
    assert all(0 <= word["confidence"] <= 1 and word["start"] < word["end"] for word in first["words"])
    assert first["written"].startswith("你好") and first["written"] != LAMPS
    assert list(first) == ["speaker", "start", "end", "confidence", "text", "written", "words"]


def test_of_two_channels_each_is_a_speaker(tmp_path: Path, transcribe: Transcribe) -> None:
    left = recording(tmp_path / "left.wav", silence(1) + say(LAMPS))
    right = recording(tmp_path / "right.wav", say(WATER))
    both = tmp_path / "both.wav"
    subprocess.run(["sox", "-M", left, right, both], check=True)
    code, found, _ = transcribe(both)
    assert code == 0
    assert {(told["speaker"], told["text"]) for told in found} == {(1, LAMPS), (2, WATER)}


@pytest.mark.parametrize(
    "form",
    [
        ("-r", "48000", "-b", "24"),
        ("-r", "16000", "-e", "floating-point"),
        ("-r", "11025", "-e", "unsigned", "-b", "8"),
        ("-r", "8000", "-e", "a-law"),
        ("-r", "8000", "-e", "u-law"),
    ],
    ids=["48 kHz 24 bit", "16 kHz floating point", "11 kHz 8 bit", "A-law", "mu-law"],
)
def test_other_rates_and_encodings(form: tuple[str, ...], tmp_path: Path, transcribe: Transcribe) -> None:
    voice.speak(WATER, tmp_path / "spoken.wav")
    voice.convert(tmp_path / "spoken.wav", tmp_path / "other.wav", output=form, effects=("gain", "-3"))
    code, found, _ = transcribe(tmp_path / "other.wav")
    assert (code, [told["text"] for told in found]) == (0, [WATER])


def test_nothing_said_nothing_printed(tmp_path: Path, transcribe: Transcribe) -> None:
    assert transcribe(recording(tmp_path / "quiet.wav", silence(5))) == (0, [], "")
    assert transcribe(recording(tmp_path / "empty.wav", b"")) == (0, [], "")


def test_what_cannot_be_transcribed(tmp_path: Path, transcribe: Transcribe) -> None:
    (tmp_path / "text.wav").write_text("not audio")
    (tmp_path / "text.txt").write_text("not audio")
    six = recording(tmp_path / "six.wav", bytes(9600), channels=6)
    good = recording(tmp_path / "good.wav", silence(1))
    shutil.copytree(DEMO_FOLDER, tmp_path / "data" / "models" / "broken")
    (tmp_path / "data" / "models" / "broken" / "am" / "final.mdl").write_bytes(b"broken")
    for words, problem in (
        ([tmp_path / "none.wav"], "there is no file"),
        ([tmp_path], "there is no file"),
        ([tmp_path / "text.wav"], "text.wav cannot be read: "),
        ([tmp_path / "text.txt"], "text.txt cannot be read: "),
        ([six], "has 6 channels; there must be one, or two with a speaker each"),
        ([good, "--model", "vosk-model-cn-0.22"], "the model 'vosk-model-cn-0.22' is not installed; `server.py models"),
        ([good, "--model", "../x"], "is not a model's name"),
        ([good, "--model", "broken"], "the model 'broken' in "),
    ):
        code, found, err = transcribe(*words)
        assert (code, found) == (1, [])
        assert err.startswith("error: ") and problem in err, err
        assert err.count("\n") == 1


def test_it_says_so_when_sox_is_not_there(
    tmp_path: Path, transcribe: Transcribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = recording(tmp_path / "good.wav", silence(1))
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = transcribe(file)
    assert code == 1 and "sox cannot be started" in err


def test_a_recording_is_not_held_as_a_whole(tmp_path: Path) -> None:
    """Whoever stops reading early is not made to wait for the rest."""
    file = recording(tmp_path / "long.wav", silence(1200))
    parts = audio_file.read(file, 1)
    assert len(next(parts)[0]) == 16000
    parts.close()  # type: ignore[attr-defined]
    assert sum(len(part) for (part,) in audio_file.read(file, 1)) == 1200 * 16000
