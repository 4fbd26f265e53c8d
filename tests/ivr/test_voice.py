"""Numbers as Mandarin says them, and what happens when a program is missing or fails."""

from __future__ import annotations

import os
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr import voice


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("12345", "幺二三四五"),
        ("请拨110", "请拨幺幺零"),
        ("13800138000", "幺三八零零幺三八零零零"),
        ("0898-88835005", "零八九八八八八三五零零五"),
        ("10号楼101室", "十号楼幺零幺室"),
        ("300元", "三百元"),
        ("10500元", "一万零五百元"),
        ("10050人", "一万零五十人"),
        ("1010个", "一千零一十个"),
        ("105户", "一百零五户"),
        ("110000元", "十一万元"),
        ("2个", "两个"),
        ("第2次", "第二次"),
        ("2栋", "二栋"),
        ("20天", "二十天"),
        ("15", "十五"),
        ("8:30", "八点三十分"),
        ("２２：０５", "二十二点零五分"),
        ("2:00", "两点"),
        ("2026年5月12日", "二零二六年五月十二日"),
        ("30%", "百分之三十"),
        ("3.5公里", "三点五公里"),
        ("没有数字", "没有数字"),
        ("", ""),
    ],
)
def test_digits_in_words(written: str, said: str) -> None:
    assert voice.in_words(written) == said


@given(st.text(alphabet="0123456789.:%-元年个 天月第", max_size=30))
def test_no_digit_is_left(text: str) -> None:
    assert not any(c in "0123456789" for c in voice.in_words(text))


def test_speaks_mandarin_and_english(tmp_path: Path) -> None:
    for language, text in (("zh", "您好，12345"), ("en", "Hello")):
        target = tmp_path / f"{language}.wav"
        voice.speak(text, target, language=language)
        with wave.open(str(target), "rb") as file:
            assert file.getnchannels() == 1
            assert file.getnframes() / file.getframerate() > 0.3


def test_text_is_text_and_nothing_else(tmp_path: Path) -> None:
    for text in ("-v en 您好", "$(touch x) `touch x` ; touch x 您好", "--help 喂", "<speak>您好</speak>"):
        voice.speak(text, tmp_path / "said.wav")
    assert [p.name for p in tmp_path.iterdir()] == ["said.wav"]


def test_nothing_to_say(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to say"):
        voice.speak("，。 ", tmp_path / "x.wav")


def program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_missing_programs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(voice.VoiceError, match="espeak-ng is not installed"):
        voice.speak("您好", tmp_path / "x.wav")
    with pytest.raises(voice.VoiceError, match="sox is not installed"):
        voice.convert(tmp_path / "x.wav", tmp_path / "y.wav", output=())


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo no such voice >&2; exit 3", r"espeak-ng failed \(3\): no such voice"),
        ("exit 1", "it gave no reason"),
        ("exit 0", "said nothing"),
        ("kill -9 $$", "espeak-ng failed"),
    ],
)
def test_a_failing_espeak_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
) -> None:
    program(tmp_path / "bin", "espeak-ng", script)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(voice.VoiceError, match=told):
        voice.speak("您好", tmp_path / "x.wav")


def test_a_failed_conversion_leaves_the_target_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"not a sound")
    (tmp_path / "good.wav").write_bytes(b"what was there")
    with pytest.raises(voice.VoiceError, match="sox failed"):
        voice.convert(tmp_path / "bad.wav", tmp_path / "good.wav", output=("-r", "8000"))
    assert (tmp_path / "good.wav").read_bytes() == b"what was there"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.wav", "good.wav"]
