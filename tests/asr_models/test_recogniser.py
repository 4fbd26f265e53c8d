"""Vosk with the demo model on real synthetic speech; models that are broken or made for another rate."""

from __future__ import annotations

import itertools
import json
import shutil
import threading
from pathlib import Path

import pytest
import vosk

from asr_models import catalogue, vosk_recogniser
from asr_models.catalogue import DEMO_FOLDER, InstalledModel
from asr_models.errors import ModelError, RecognitionError
from asr_models.recogniser import Final, Interim, Recogniser, joined
from asr_models.telephone_rate import openable
from tests.asr_models.spoken import LAMPS, WATER, pieces, say, seconds, silence


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    demo = catalogue.find("demo", Path("/nowhere"))
    assert demo
    return vosk_recogniser.load(demo)


def heard(recogniser: Recogniser, pcm: bytes) -> list[Interim | Final]:
    stream = recogniser.start()
    results: list[Interim | Final] = []
    for piece in pieces(pcm):
        results += stream.feed(piece)
    return results + stream.close()


def finals(results: list[Interim | Final]) -> list[Final]:
    return [result for result in results if isinstance(result, Final)]


@pytest.mark.parametrize("text", [LAMPS, WATER])
def test_what_was_said(text: str, recogniser: Recogniser) -> None:
    (final,) = finals(heard(recogniser, silence(0.5) + say(text) + silence(1)))
    assert final.text == text
    assert "".join(word.text for word in final.words) == text
    assert final.confidence == pytest.approx(sum(w.confidence for w in final.words) / len(final.words), abs=1e-4)
    assert final.confidence > 0.9
    assert final.start == final.words[0].start and final.end == final.words[-1].end


def test_interims_grow_and_are_told_only_when_they_change(recogniser: Recogniser) -> None:
    results = heard(recogniser, say(LAMPS) + silence(1))
    texts = [result.text for result in results if isinstance(result, Interim)]
    assert len(texts) > 5
    assert all(texts) and all(before != after for before, after in itertools.pairwise(texts))
    assert LAMPS.startswith(texts[0])


def test_times_are_those_of_the_audio(recogniser: Recogniser) -> None:
    lamps, water = say(LAMPS), say(WATER)
    first, second = finals(heard(recogniser, silence(2) + lamps + silence(3) + water + silence(1)))
    assert first.start == pytest.approx(2.0, abs=0.3)
    assert first.end == pytest.approx(2 + seconds(lamps), abs=0.4)
    assert second.start == pytest.approx(5 + seconds(lamps), abs=0.3)
    times = [time for word in first.words + second.words for time in (word.start, word.end)]
    assert times == sorted(times)


def test_what_is_skipped_counts_in_the_times(recogniser: Recogniser) -> None:
    stream = recogniser.start()
    before = [r for piece in pieces(say(WATER)) for r in stream.feed(piece)]
    before += stream.skip(8000 * 600)
    (first,) = finals(before)
    assert first.text == WATER
    after = [r for piece in pieces(say(LAMPS)) for r in stream.feed(piece)] + stream.close()
    (second,) = finals(after)
    assert second.text == LAMPS
    assert second.start == pytest.approx(600 + seconds(say(WATER)), abs=0.3)


def test_a_stream_that_heard_nothing_has_nothing_to_say(recogniser: Recogniser) -> None:
    assert recogniser.start().close() == []
    stream = recogniser.start()
    assert stream.feed(b"") == [] and stream.skip(8000) == [] and stream.close() == []


def test_threads_share_one_model(recogniser: Recogniser) -> None:
    texts: dict[int, list[str]] = {}

    def listen(number: int) -> None:
        texts[number] = [final.text for final in finals(heard(recogniser, say((LAMPS, WATER)[number % 2])))]

    say(LAMPS), say(WATER)
    threads = [threading.Thread(target=listen, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == {number: [(LAMPS, WATER)[number % 2]] for number in range(8)}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["你好", "我"], "你好我"),
        (["路灯", "[unk]", "[unk]", "坏了"], "路灯[unk] [unk]坏了"),
        (["good", "morning"], "good morning"),
        (["拨打", "ok", "键"], "拨打ok键"),
        ([], ""),
    ],
)
def test_words_as_a_text(words: list[str], text: str) -> None:
    assert joined(words) == text


def copied(tmp_path: Path) -> InstalledModel:
    shutil.copytree(DEMO_FOLDER, tmp_path / "copy")
    return InstalledModel("copy", "zh", tmp_path / "copy")


def make_wideband(model: InstalledModel) -> None:
    """The demo model as most of Vosk's small models are: for 16 kHz, and not allowing the rate to be raised.

    The mel filters stay between the same frequencies, so it recognises as before.
    """
    options = ["use-energy=false", "sample-frequency=16000", "num-mel-bins=40", "num-ceps=40"]
    options += ["low-freq=20", "high-freq=-4300", "dither=0", "allow-downsample=true"]
    (model.folder / "conf/mfcc.conf").write_text("".join(f"--{option}\n" for option in options) + "\n")


def test_a_model_for_16_khz_hears_the_telephone(tmp_path: Path) -> None:
    model = copied(tmp_path)
    make_wideband(model)
    before = (model.folder / "conf/mfcc.conf").read_bytes()

    plain = vosk.KaldiRecognizer(vosk.Model(str(model.folder)), 8000)
    with pytest.raises(Exception, match="Failed to process waveform"):
        plain.AcceptWaveform(say(LAMPS))  # why telephone_rate.py is there

    (final,) = finals(heard(vosk_recogniser.load(model), say(LAMPS)))
    assert final.text == LAMPS
    assert (model.folder / "conf/mfcc.conf").read_bytes() == before


@pytest.mark.parametrize(("own", "opened"), [("20", "30"), ("21", "30"), (None, "30"), ("51", "51")])
def test_short_steps_of_the_network_are_lengthened(own: str | None, opened: str, tmp_path: Path) -> None:
    """Vosk is handed a folder of links; the model's own files stay as they were installed."""
    model = copied(tmp_path)
    conf = model.folder / "conf/model.conf"
    lines = [line for line in conf.read_text().splitlines() if "frames-per-chunk" not in line]
    conf.write_text("\n".join([*lines, *([f"--frames-per-chunk={own}"] if own else [])]) + "\n")
    before = conf.read_text()
    with openable(model.folder) as folder:
        assert f"--frames-per-chunk={opened}" in (folder / "conf/model.conf").read_text().splitlines()
        assert catalogue.missing_files(folder) == []
    assert conf.read_text() == before
    (final,) = finals(heard(vosk_recogniser.load(model), say(LAMPS)))
    assert final.text == LAMPS


def test_a_model_that_lacks_a_file_is_named_with_it(tmp_path: Path) -> None:
    model = copied(tmp_path)
    (model.folder / "graph/HCLG.fst").unlink()
    with pytest.raises(ModelError, match=r"'copy' in .* lacks graph/HCLG.fst; .*models verify copy"):
        vosk_recogniser.load(model)


def cut_model(folder: Path) -> None:
    path = folder / "am/final.mdl"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scramble_graph(folder: Path) -> None:
    path = folder / "graph/HCLG.fst"
    path.write_bytes(b"\x55" * path.stat().st_size)


def impossible_option(folder: Path) -> None:
    path = folder / "conf/model.conf"
    path.write_text(path.read_text().replace("frame-subsampling-factor=3", "frame-subsampling-factor=0"))


def no_rate(folder: Path) -> None:
    (folder / "conf/mfcc.conf").write_text("--sample-frequency=fast\n")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut_model, "Vosk refused it: .*Failed to read"),
        (scramble_graph, "Vosk refused it"),
        # Here Kaldi calls abort(): only the child process saves this one.
        (impossible_option, "Vosk was ended by SIGABRT: Assertion failed"),
        (no_rate, "could not convert string to float"),
    ],
)
def test_a_damaged_model_is_an_error_with_its_reason(damage: object, reason: str, tmp_path: Path) -> None:
    model = copied(tmp_path)
    damage(model.folder)  # type: ignore[operator]
    with pytest.raises(ModelError, match=f"the model 'copy' in .* cannot be used: {reason}"):
        vosk_recogniser.load(model)


def test_an_engine_that_fails_is_one_streams_error(recogniser: Recogniser, tmp_path: Path) -> None:
    """A recogniser at a rate that its model refuses fails at the first audio, as a broken one would."""
    model = copied(tmp_path)
    make_wideband(model)
    stream = vosk_recogniser._VoskRecogniser("wide", vosk.Model(str(model.folder))).start()
    with pytest.raises(RecognitionError, match="could not decode 16000 bytes"):
        stream.feed(bytes(16000))
    (final,) = finals(heard(recogniser, say(WATER)))
    assert final.text == WATER


def test_other_spellings_of_a_gap() -> None:
    stream = vosk_recogniser._VoskStream(vosk.KaldiRecognizer(vosk.Model(str(DEMO_FOLDER)), 8000))
    words = [{"word": word, "start": 0.0, "end": 0.1, "conf": 1.0} for word in ("<unk>", "停水", "[unk]")]
    (final,) = stream._finished(json.dumps({"result": words}))
    assert final.text == "[unk]停水[unk]"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([("是", 3.03)], None),  # a fax
        ([("[unk]", 0.99), ("容", 0.45)], None),  # music
        ([("我", 0.33), ("[unk]", 0.33), ("[unk]", 0.36)], None),  # a busy tone
        ([("我", 0.3), ("[unk]", 0.2)], "我[unk]"),
        ([("[unk]", 3.0), ("停水", 0.6)], "[unk]停水"),
        ([("停水", 2.1), ("路灯", 0.6)], "[unk]路灯"),
        ([("good", 0.9), ("morning", 1.9)], "good morning"),
        ([("好", 0.9)], "好"),
    ],
    ids=["fax", "music", "busy tone", "a word unknown", "a sentence unknown", "drawn out", "English", "short"],
)
def test_sounds_that_are_no_speech_give_no_words(words: list[tuple[str, float]], text: str | None) -> None:
    stream = vosk_recogniser._VoskStream(vosk.KaldiRecognizer(vosk.Model(str(DEMO_FOLDER)), 8000))
    ends = list(itertools.accumulate(length for _, length in words))
    heard = [
        {"word": word, "start": end - length, "end": end, "conf": 1.0}
        for (word, length), end in zip(words, ends, strict=True)
    ]
    stream._shown = "什么"
    (result,) = stream._finished(json.dumps({"result": heard}))
    assert result == Interim("") if text is None else isinstance(result, Final) and result.text == text


def test_gaps_alone_are_no_utterance() -> None:
    stream = vosk_recogniser._VoskStream(vosk.KaldiRecognizer(vosk.Model(str(DEMO_FOLDER)), 8000))
    words = [{"word": "[unk]", "start": 0.0, "end": 0.1, "conf": 1.0}] * 2
    assert stream._finished(json.dumps({"result": words})) == []
