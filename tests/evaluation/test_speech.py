"""The calls as they are heard: espeak-ng, sox and the demo model are the real ones."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from asr_models.catalogue import DEMO, find
from asr_models.recogniser import GAP
from evaluation import speech
from evaluation.cases import Case
from evaluation.speech import Ear, Spoken
from tests.evaluation import made

LAMPS = "你好我想反映一下保港的路灯坏了很久了晚上很危险"


@pytest.fixture(scope="module")
def ear() -> Ear:
    model = find(DEMO, Path("unused"))
    assert model is not None
    return speech.ear(model, 200, 2)


def _call(*turns: tuple[str, str]) -> Case:
    return Case.model_validate({**made.NOTHING, "said": [{speaker: text} for speaker, text in turns]})


def test_what_a_caller_says_is_heard_and_agents_stay_as_written(ear: Ear, tmp_path: Path) -> None:
    case = _call(("agent", "您好请讲"), ("caller", LAMPS), ("caller", "……"))
    spoken = speech.listen([case], ear, tmp_path)
    assert list(spoken) == [LAMPS]
    heard = speech.transcript(case, spoken)
    assert (heard[0].speaker, heard[0].text) == ("agent", "您好请讲")
    assert {one.speaker for one in heard[1:]} == {"caller"}
    assert "路灯" in "".join(one.text for one in heard[1:])
    measured = speech.errors(list(spoken.values()))
    assert measured.characters == len(LAMPS)
    assert measured.wrong_characters < len(LAMPS) / 2
    assert 3 < measured.audio_seconds < 20


def test_a_second_run_takes_what_the_first_has_kept(ear: Ear, tmp_path: Path) -> None:
    case = _call(("caller", LAMPS))
    first = speech.listen([case], ear, tmp_path)
    (file,) = tmp_path.iterdir()
    kept = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**kept, "heard": ["听到过的"]}), encoding="utf-8")
    second = speech.listen([case], ear, tmp_path)
    assert second[LAMPS].heard == ("听到过的",)
    other = dataclasses.replace(ear, fingerprint="of another model")
    assert speech.listen([case], other, tmp_path)[LAMPS].heard == first[LAMPS].heard
    assert len(list(tmp_path.iterdir())) == 2


def test_the_fingerprint_is_that_of_model_and_settings(ear: Ear) -> None:
    model = find(DEMO, Path("unused"))
    assert model is not None
    assert speech.ear(model, 200, 2).fingerprint == ear.fingerprint
    assert speech.ear(model, 200, 3).fingerprint != ear.fingerprint
    assert speech.ear(model, 100, 2).fingerprint != ear.fingerprint


def test_errors_by_hand() -> None:
    utterances = [
        # Two of four characters of another spelling, one of them of another sound.
        Spoken("水南村里", ("睡男村理",), 2.0, 0.5),
        # Digits are said in words: 十二号. One gap, which stands for one missing character.
        Spoken("12号", (f"十{GAP}", "号"), 1.0, 0.5),
        Spoken("喂", (), 1.0, 0.0),
    ]
    errors = speech.errors(utterances)
    assert (errors.characters, errors.wrong_characters) == (8, 3 + 1 + 1)
    assert (errors.syllables, errors.wrong_syllables) == (8, 0 + 1 + 1)
    assert (errors.gaps, errors.utterances, errors.audio_seconds, errors.work_seconds) == (1, 3, 4.0, 1.0)


def test_a_telephone_line_carries_a_narrow_band() -> None:
    pcm = speech.telephone_audio("水南村")
    assert len(pcm) % 2 == 0
    assert 0.3 < len(pcm) / 16000 < 3
    # Mu-law has 256 levels.
    assert len({pcm[start : start + 2] for start in range(0, len(pcm), 2)}) <= 256
