"""The recipe of the demo model: what a line does, what the voice says, and a small model built twice."""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

pytest.importorskip("numpy", reason="only the build of the demo model needs numpy")

import numpy as np

import settings as configuration
from asr_models import commands, manifest, probe
from asr_models.demo_model import build, channel, corpus, mfcc, network, vocabulary
from asr_models.demo_model.commands import _has_numpy
from asr_models.demo_model.pronunciation import pronounce
from asr_models.demo_model.synthesiser import Manner, synthesiser

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop


def test_codecs_do_what_the_standard_library_does() -> None:
    samples = np.arange(-32768, 32768, 3).astype(np.int16)
    pcm = samples.tobytes()
    for ours, theirs in (
        (channel.mu_law, audioop.ulaw2lin(audioop.lin2ulaw(pcm, 2), 2)),
        (channel.a_law, audioop.alaw2lin(audioop.lin2alaw(pcm, 2), 2)),
    ):
        kept = ours(samples.astype(np.float64))
        other = np.frombuffer(theirs, np.int16)
        # Only a value that lies exactly between two steps goes to the other one.
        assert np.mean(kept != other) < 0.01
        assert np.all(np.abs(kept - other) <= np.abs(samples.astype(int)) / 16 + 16)


def test_a_tone_keeps_its_pitch_and_what_is_too_high_goes() -> None:
    time = np.arange(22050) / 22050
    low, high = (channel.at_8_khz(1000 * np.sin(2 * np.pi * f * time), 22050) for f in (1000, 6000))
    assert len(low) == 8000
    assert int(np.abs(np.fft.rfft(low)).argmax()) == 1000
    assert np.sqrt((high[400:-400] ** 2).mean()) < 5 < 600 < np.sqrt((low**2).mean())


@pytest.mark.parametrize("kind", sorted(set(channel.SOUNDS)))
def test_sounds_that_are_no_speech_are_the_same_each_time(kind: str) -> None:
    first, second = (channel.sound(kind, 8000, random.Random(3)) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.sqrt((first**2).mean()) == pytest.approx(0 if kind == "nothing" else 1)


def test_there_is_no_other_sound() -> None:
    with pytest.raises(ValueError, match="no sound 'song'"):
        channel.sound("song", 100, random.Random(1))


def test_features_have_a_frame_each_10_ms() -> None:
    assert mfcc.mfcc(np.zeros(199)).shape == (0, 40)
    assert mfcc.mfcc(np.zeros(200)).shape == (1, 40)
    assert mfcc.mfcc(np.zeros(8000)).shape == (98, 40)


def test_what_the_voice_says_is_told_character_by_character() -> None:
    said = pronounce("二二，银行", Manner(), synthesiser())
    assert said is not None
    assert said.characters[0] == said.characters[1] == ("@r4^", "@r4")
    assert said.characters[2] == ()
    ends = [segment.end for segment in said.segments]
    assert ends == sorted(ends) and ends[-1] == pytest.approx(len(said.speech.samples) / 22050, abs=0.02)


def test_a_network_learns_and_its_output_are_probabilities() -> None:
    chance = np.random.default_rng(1)
    examples = []
    for _ in range(40):
        labels = np.repeat(chance.integers(0, 3, 40), 8).astype(np.int16)
        frames = chance.normal(0, 0.5, (len(labels), 40)).astype(np.float32)
        frames[:, :3] += 3 * np.eye(3, dtype=np.float32)[labels]
        examples.append(corpus.Example(frames, labels))
    learned = network.train(examples, 3, 16, 60, 1, lambda *_: None)
    judged = network.judge(learned, examples[0].frames)
    assert np.allclose(np.exp(judged).sum(axis=1), 1, atol=1e-4)
    assert (judged.argmax(axis=1) == examples[0].phones[::3]).mean() > 0.85


def sources(folder: Path) -> build.Sources:
    (folder / "places").mkdir()
    (folder / "said").mkdir()
    place = "{name: 水南村, kind: village, also: [水南]}"
    unit = "{id: a, name: 三亚市崖州区水务局, short: 水务局}"
    (folder / "places" / "one.yaml").write_text(
        f"name: 崖州区\ncentre: 指挥中心\nplaces: [{place}]\nunit_groups:\n  - units: [{unit}]\n"
        "matters:\n  - {name: 停水, words: [停水, 没水], hints: [水…小/黄]}\n",
        encoding="utf-8",
    )
    lines = [f'  - "help: {text}停水两天了"\n' for text in ("水南村", "我们村", "这里", "楼上", "村口")]
    (folder / "said" / "one.yaml").write_text("water:\n" + "".join(lines), encoding="utf-8")
    return build.Sources(folder / "places", folder / "said")


def test_a_vocabulary_holds_names_words_and_sentences(tmp_path: Path) -> None:
    found = sources(tmp_path)
    words = vocabulary.collect(found.jurisdictions, found.sentences, 1)
    assert words.names["place"] == ("水南", "水南村") and words.names["unit"] == ("水务局",)
    said = ["".join(token.text for token in text.tokens) for text in words.texts]
    assert {"三亚市崖州区水务局", "没水", "小", "黄"} <= set(said)
    assert len(words.unseen) + sum(text.endswith("停水两天了") and not text.startswith("我是") for text in said) >= 5
    assert all(len(token.text) == 1 for text in words.texts for token in text.tokens if token.kind == "digit")


_BUILD = """
import sys
from pathlib import Path
from asr_models.demo_model import build, corpus
corpus.frequent_words = lambda: ("银行", "晚上", "我们")
sources = build.Sources(Path(sys.argv[2]), Path(sys.argv[3]))
build.build(Path(sys.argv[1]), build.Size(width=16, utterances=60, epochs=1), sources, lambda *_: None)
"""


@pytest.mark.timeout(900)
def test_the_same_build_gives_the_same_files(tmp_path: Path) -> None:
    found = sources(tmp_path)
    for name in ("one", "two"):
        # A process for each, as the command is one.
        command = [sys.executable, "-c", _BUILD, str(tmp_path / name), str(found.jurisdictions), str(found.sentences)]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        subprocess.run(command, check=True, cwd=configuration.ROOT, env=environment)
    probe.probe(tmp_path / "one")
    listed = [(tmp_path / name / manifest.NAME).read_text() for name in ("one", "two")]
    assert listed[0] == listed[1] and listed[0].count("\n") == 8
    assert manifest.differences(tmp_path / "one") == []

    build.build_words(tmp_path / "three", tmp_path / "one", found, lambda *_: None)
    assert (tmp_path / "three" / manifest.NAME).read_text() == listed[0]


def test_without_numpy_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not _has_numpy("models build")
    assert "pip install 'numpy>=" in capsys.readouterr().err


def test_a_model_that_is_not_there_is_not_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    commands.add_actions(parser)
    args = parser.parse_args(["measure", "nonsense"])
    assert args.handler(args, configuration.load(configuration.ROOT / "config", tmp_path)) == 1
    assert "there is no model 'nonsense'" in capsys.readouterr().err
