"""config/prompts.yaml is complete, and becomes sound files that Asterisk can play."""

from __future__ import annotations

import argparse
import array
import asyncio
import itertools
import json
import os
import re
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

import settings as configuration
from front.calling import CallResult, place_call
from ivr import melody, prompts, voice
from settings import ROOT, ConfigurationError
from tests.front.scratch_asterisk import ScratchAsterisk

TEXTS = ROOT / "config" / "prompts.yaml"


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("rendered") / "sounds"
    prompts.render(prompts.load(TEXTS), folder, folder / "no-recordings")
    yield folder


@pytest.fixture
def few() -> prompts.PromptTexts:
    return prompts.PromptTexts(zh=dict.fromkeys(prompts.ASTERISK_SAYS, "一") | {"hotline/notice": "您好"})


def samples(file: Path) -> array.array[int]:
    with wave.open(str(file), "rb") as sound:
        return array.array("h", sound.readframes(sound.getnframes()))


def test_every_file_is_for_the_telephone(sounds: Path) -> None:
    files = sorted(sounds.rglob("*.wav"))
    texts = prompts.load(TEXTS)
    assert len(files) == len(texts.zh) + len(texts.en) + 4  # and two tones in each language
    for file in files:
        with wave.open(str(file), "rb") as sound:
            form = (sound.getframerate(), sound.getnchannels(), sound.getsampwidth())
        assert form == (8000, 1, 2), file
        heard = samples(file)
        assert 0.15 < len(heard) / 8000 < 30, file
        assert 8000 < max(heard) < 32000 or "beep" in file.name, file
        quiet = max(max(map(abs, heard[:8])), max(map(abs, heard[-8:])))
        assert quiet < 2000, f"{file} begins or ends with a click"


def test_asterisk_finds_all_that_it_says_by_itself(sounds: Path) -> None:
    for name in (*prompts.ASTERISK_SAYS, "beep"):
        assert (sounds / "zh" / f"{name}.wav").exists(), name


def test_everything_that_the_dialplan_and_the_flows_play_is_there() -> None:
    known = prompts.load(TEXTS).zh
    played: dict[str, str] = {}
    for file in (*(ROOT / "dialplans").glob("*.conf"), *(ROOT / "ivr").rglob("*.py")):
        # A name that goes on with a line's number (hotline/emergency-${LINE}) is for tests/test_emergency_lines.py.
        for name in re.findall(r"\bhotline/[a-z0-9][a-z0-9-]*(?![\w./$-])", file.read_text(encoding="utf-8")):
            played[name] = file.name
    assert played
    assert {name: file for name, file in played.items() if name not in known} == {}


def test_the_texts_hold_no_arabic_digits() -> None:
    """They would be said well, but a person who reads the text aloud for a recording is helped by the words."""
    assert [name for name, text in prompts.load(TEXTS).zh.items() if re.search(r"[0-9]", text)] == []


def test_rendering_again_does_nothing(few: prompts.PromptTexts, tmp_path: Path) -> None:
    sounds, recordings = tmp_path / "sounds", tmp_path / "recordings"
    said: list[str] = []
    first = prompts.render(few, sounds, recordings, progress=said.append)
    assert (first.spoken, first.unchanged) == (len(few.zh) + 2, 0)
    assert len(said) == 1
    times = {file: file.stat().st_mtime_ns for file in sounds.rglob("*.wav")}
    again = prompts.render(few, sounds, recordings, progress=said.append)
    assert again == prompts.Report(spoken=0, recorded=0, unchanged=first.spoken, removed=0)
    assert {file: file.stat().st_mtime_ns for file in sounds.rglob("*.wav")} == times
    assert len(said) == 1


def test_only_what_changed_is_made(few: prompts.PromptTexts, tmp_path: Path) -> None:
    sounds, recordings = tmp_path / "sounds", tmp_path / "recordings"
    prompts.render(few, sounds, recordings)
    other = prompts.PromptTexts(zh=few.zh | {"hotline/notice": "您好，欢迎"})
    assert prompts.render(other, sounds, recordings).spoken == 1
    (sounds / "zh" / "digits" / "1.wav").write_bytes(b"cut off")
    (sounds / "zh" / "digits" / "2.wav").unlink()
    assert prompts.render(other, sounds, recordings).spoken == 2
    assert len(samples(sounds / "zh" / "digits" / "1.wav")) > 800
    (sounds / "manifest.json").write_text("{broken")
    assert prompts.render(other, sounds, recordings).unchanged == 0


def test_what_is_gone_from_the_texts_is_removed(few: prompts.PromptTexts, tmp_path: Path) -> None:
    sounds = tmp_path / "sounds"
    prompts.render(few, sounds, tmp_path)
    fewer = prompts.PromptTexts(zh={name: text for name, text in few.zh.items() if name != "hotline/notice"})
    (sounds / "zh" / "own.wav").write_bytes(b"not ours")
    assert prompts.render(fewer, sounds, tmp_path).removed == 1
    assert not (sounds / "zh" / "hotline" / "notice.wav").exists()
    assert (sounds / "zh" / "own.wav").exists()


def test_a_damaged_manifest_removes_nothing_outside(few: prompts.PromptTexts, tmp_path: Path) -> None:
    sounds = tmp_path / "sounds"
    prompts.render(few, sounds, tmp_path)
    outside = tmp_path / "outside.wav"
    outside.write_bytes(b"dear")
    manifest = json.loads((sounds / "manifest.json").read_text())
    (sounds / "manifest.json").write_text(json.dumps(manifest | {"zh/../../outside.wav": {}, str(outside): {}}))
    prompts.render(few, sounds, tmp_path)
    assert outside.exists()


def test_a_recording_wins_over_the_voice(few: prompts.PromptTexts, tmp_path: Path) -> None:
    sounds, recordings = tmp_path / "sounds", tmp_path / "recordings"
    prompts.render(few, sounds, recordings)
    for name in ("hotline/notice", "hotline/of-our-own"):
        # 44.1 kHz, stereo, 2 s: what a studio delivers
        target = recordings / "zh" / f"{name}.wav"
        effects = ("synth", "2", "sine", "440", "remix", "1", "1", "gain", "-20")
        voice.convert(None, target, output=("-r", "44100", "-c", "2"), effects=effects)
    report = prompts.render(few, sounds, recordings)
    assert (report.spoken, report.recorded) == (0, 2)
    for name in ("hotline/notice", "hotline/of-our-own"):
        heard = samples(sounds / "zh" / f"{name}.wav")
        assert len(heard) == 16000
        assert 14000 < max(heard) < 18000, "brought to the loudness of the others"
    (recordings / "zh" / "hotline" / "notice.wav").unlink()
    assert prompts.render(few, sounds, recordings).spoken == 1


def test_what_was_made_before_a_failure_is_kept(
    few: prompts.PromptTexts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sounds, recordings = tmp_path / "sounds", tmp_path / "recordings"
    prompts.render(few, sounds, recordings)
    (recordings / "zh").mkdir(parents=True)
    (recordings / "zh" / "beep.wav").write_bytes(b"not a sound")
    with pytest.raises(voice.VoiceError, match="sox failed"):
        prompts.render(few, sounds, recordings)
    assert len(samples(sounds / "zh" / "beep.wav")) > 800
    (recordings / "zh" / "beep.wav").unlink()
    assert prompts.render(few, sounds, recordings).unchanged == len(few.zh) + 2

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(voice.VoiceError, match="make setup"):
        prompts.render(few, tmp_path / "elsewhere", recordings)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("  queue-youarenext: 您排在第一位，话务员马上为您接听。\n", r"prompts.yaml:\d+: .*queue-youarenext"),
        ("zh:\n", r"prompts.yaml:\d+: "),
    ],
)
def test_an_incomplete_file_does_not_start(tmp_path: Path, change: str, told: str) -> None:
    text = TEXTS.read_text(encoding="utf-8")
    assert change in text
    (tmp_path / "prompts.yaml").write_text(text.replace(change, "", 1), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=told):
        prompts.load(tmp_path / "prompts.yaml")


@pytest.mark.parametrize(
    "line", ["  ../../etc/passwd: 您好", "  Hotline/Notice: 您好", "  hotline/x: ，。", "  hotline/x: 3", "  beep: 哔"]
)
def test_a_hostile_name_or_text_names_its_line(tmp_path: Path, line: str) -> None:
    lines = TEXTS.read_text(encoding="utf-8").split("\n")
    lines.insert(lines.index("zh:") + 1, line)
    (tmp_path / "prompts.yaml").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"prompts\.yaml:"):
        prompts.load(tmp_path / "prompts.yaml")


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = configuration.load(ROOT / "config", tmp_path)
    parser = argparse.ArgumentParser()
    prompts.add_actions(parser)

    def run(*words: str) -> str:
        arguments = parser.parse_args(words)
        assert arguments.handler(arguments, settings) == 0
        return capsys.readouterr().out

    assert "synthetic" not in run("list")
    assert " spoken" in run("render")
    assert "0 spoken" in run("render")
    listed = run("list")
    assert "hotline/notice" in listed
    assert "本次通话将被录音" in listed
    assert " - " not in listed
    assert (tmp_path / "moh" / "hotline.wav").exists()


def test_the_music_is_quiet_and_has_no_seam(tmp_path: Path) -> None:
    melody.write_melody(tmp_path / "music.wav")
    heard = samples(tmp_path / "music.wav")
    assert 60 <= len(heard) / 8000 <= 90
    assert max(map(abs, heard)) < 4000
    steps = [abs(b - a) for a, b in itertools.pairwise(heard)]
    assert abs(heard[0] - heard[-1]) <= max(steps), "no click where the loop begins again"
    for second in range(0, len(heard) - 16000, 16000):
        assert max(map(abs, heard[second : second + 16000])) > 200, f"silent at {second / 8000} s"


# --- in Asterisk -----------------------------------------------------------------------------------------------------

NUMBERS = (0, 12, 93, 105, 1001, 20040, 100000000)
DIALPLAN = """
[scratch]
exten => 1,1,Answer()
{numbers} same => n,Playback(hotline/notice)
 same => n,Hangup()
exten => 2,1,Answer()
 same => n,Queue(waiting,n,,,12)
 same => n,Hangup()
exten => 3,1,Answer()
 same => n,MusicOnHold(default,2)
 same => n,Hangup()
"""
QUEUES = """
[waiting]
musicclass=default
joinempty=yes
announce-frequency=1
min-announce-frequency=1
announce-position=yes
announce-holdtime=yes
announce-round-seconds=10
periodic-announce-frequency=4
"""


@pytest_asyncio.fixture
async def asterisk(tmp_path: Path, sounds: Path) -> AsyncIterator[ScratchAsterisk]:
    music = tmp_path / "moh"
    melody.write_melody(music / "hotline.wav")
    numbers = "".join(f" same => n,SayNumber({number})\n" for number in NUMBERS)
    async with ScratchAsterisk(
        tmp_path / "asterisk",
        DIALPLAN.format(numbers=numbers),
        sounds=sounds,
        moh=music,
        files={"queues.conf": QUEUES},
    ) as running:
        yield running


async def test_asterisk_says_its_numbers_and_its_queue_from_these_files(
    asterisk: ScratchAsterisk, tmp_path: Path
) -> None:
    async def call(number: str, seconds: float) -> CallResult:
        return await place_call(
            caller="13800138000",
            called=number,
            sip_host="127.0.0.1",
            sip_port=asterisk.port,
            seconds=seconds,
            workdir=tmp_path / "calls",
        )

    numbers, queue, music = await asyncio.gather(call("1", 60), call("2", 11), call("3", 1.5))
    assert numbers.ended_by == "hotline"
    assert queue.connected
    assert music.connected
    said = set(re.findall(r"Playing '([^']+?)(?:\.\w+)?' \(language 'zh'\)", asterisk.log))
    assert {"queue-youarenext", "queue-thankyou", "queue-periodic-announce", "hotline/notice"} <= said
    assert {f"digits/{word}" for word in ("wan", "yi", "hundred", "thousand", "0", "10", "90")} <= said
    assert "does not exist" not in asterisk.log
    assert "Unable to open" not in asterisk.log
    assert "Started music on hold" in asterisk.log


def test_espeak_is_the_only_voice_that_is_asked(few: prompts.PromptTexts, tmp_path: Path) -> None:
    """The text goes to espeak-ng on its standard input: neither into a shell nor into its arguments."""
    log = tmp_path / "arguments"
    fake = tmp_path / "bin" / "espeak-ng"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\nprintf "%s " "$@" >> {log}\nexec {os.environ.get("REAL", "/usr/bin/espeak-ng")} "$@"\n'
    )
    fake.chmod(0o755)
    path = os.environ["PATH"]
    os.environ["PATH"] = f"{fake.parent}{os.pathsep}{path}"
    try:
        prompts.render(few, tmp_path / "sounds", tmp_path / "recordings")
    finally:
        os.environ["PATH"] = path
    assert "您好" not in log.read_text()
    assert "cmn-latn-pinyin" in log.read_text()
