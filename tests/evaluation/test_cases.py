"""The labelled set is in order, its halves are those of the rule, and a wrong case is named without being shown."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml
from rapidfuzz import fuzz, process

from evaluation.cases import CALLED_AT, TUNE, UNTOUCHED, Case, CaseError, load_cases
from routing.jurisdiction import Jurisdiction
from routing.jurisdiction import load as load_jurisdiction
from settings import ROOT
from tests.evaluation import made


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return load_cases()


@pytest.fixture(scope="module")
def jurisdiction() -> Jurisdiction:
    return load_jurisdiction(ROOT / "config" / "jurisdictions" / "yazhou.yaml")


def test_there_are_enough_in_both_halves(cases: list[Case]) -> None:
    assert len(cases) >= 400
    for half in (TUNE, UNTOUCHED):
        assert sum(case.half == half for case in cases) >= 0.4 * len(cases)


def test_every_id_of_the_labels_is_one_of_the_jurisdiction(cases: list[Case], jurisdiction: Jurisdiction) -> None:
    # Only ids of cases are compared, so that a failure shows no text.
    units = {*jurisdiction.units, *(unit.id for unit in jurisdiction.outside_units)}
    matters = {one.id for one in jurisdiction.matters}
    intents = {one.id for one in jurisdiction.intents}
    urgencies = {one.id for one in jurisdiction.urgencies}
    grounds = {one.id for one in jurisdiction.law_at(CALLED_AT).refusal_grounds}
    lines = {one.number for one in jurisdiction.lines}
    unknown = {
        case.id
        for case in cases
        if (case.place and case.place.unit and case.place.unit not in units)
        or not set(case.refuse_ground) <= grounds
        or not set(case.lines) <= lines
        or any(
            not set(one.matter) <= matters
            or not set(one.intent) <= intents
            or not set(one.urgency) <= urgencies
            or not set(one.units) <= units
            for one in case.matters
        )
    }
    assert unknown == set()


def test_no_case_is_a_sentence_that_weights_were_learned_from(cases: list[Case]) -> None:
    learned = [text for file in sorted((ROOT / "data" / "sentences").glob("*.yaml")) for text in _texts(file)]
    assert len(learned) > 1000
    alike = {
        case.id
        for case in cases
        for turn in case.said
        # 喂 and 您好, and what agents ask, are said by everybody.
        if turn.speaker == "caller"
        and len(turn.text) >= 8
        and process.extractOne(turn.text, learned, scorer=fuzz.ratio, score_cutoff=_SAME)
    }
    assert alike == set()


_SAME = 90
"""Per cent of the characters, from which two texts are the same sentence said twice."""


def _texts(file: Path) -> list[str]:
    """What is said in a file of sentences, whichever of its three forms it has."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    if isinstance(content, dict):
        return [text.partition(": ")[2] for texts in content.values() for text in texts]
    if "said" in content[0]:
        return [turn.text for case in load_cases([file]) for turn in case.said if turn.speaker == "caller"]
    return [one["say"] for one in content]


def test_the_halves_are_those_of_the_rule() -> None:
    for number in range(50):
        case = Case.model_validate({**made.NOTHING, "id": f"x-{number}"})
        even = int(hashlib.sha256(f"x-{number}".encode()).hexdigest()[:2], 16) % 2 == 0
        assert case.half == (UNTOUCHED if even else TUNE)


def test_a_case_that_a_failing_test_prints_shows_nothing() -> None:
    assert [repr(case) for case in made.CASES[:2]] == ["Case(made-1)", "Case(made-2)"]


def test_a_dialogue_is_a_transcript() -> None:
    fire = made.CASES[1]
    assert [(one.number, one.speaker) for one in fire.heard()] == [(1, "agent"), (2, "caller")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[", "set.yaml"),
        ("{}", "list of cases"),
        ("[]", "no cases"),
        ("- {id: a, said: 秘密}", r"case 1 \(a\): scope"),
        ("- {id: a, said: 秘密, scope: accept, colour: red}", r"case 1 \(a\): colour"),
        ("- {id: a, said: [秘密], scope: accept}", r"case 1 \(a\): said"),
        ("- {id: a, said: [{robot: 秘密}], scope: accept}", r"case 1 \(a\): said"),
        ("- 秘密", "no mapping"),
        ("- {id: a, said: 秘密, scope: accept}\n- {id: a, said: 秘密, scope: accept}", "stand for one case: a"),
    ],
)
def test_a_wrong_case_is_named_and_not_shown(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "set.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CaseError, match=told) as problem:
        load_cases([file])
    if yaml_is_read(text):
        assert "秘密" not in str(problem.value)


def yaml_is_read(text: str) -> bool:
    try:
        yaml.safe_load(text)
    except yaml.YAMLError:
        return False
    return True
