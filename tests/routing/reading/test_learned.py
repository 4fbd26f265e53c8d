"""The classifier: what it hears in sentences that it has not seen, what it says of its reasons, and its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from routing.jurisdiction import Jurisdiction, load
from routing.reading import learned, training
from routing.reading.learned import WEIGHTS, read_weights, traits
from routing.reading.matter_words import DangerWord, danger_words
from routing.reading.spoken import GAP, plain
from routing.spoken_alarm import alarm

UNSEEN: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("danger_unseen.yaml").read_text("utf-8"))
FAR_AWAY = "我们这里的路灯坏了很久了没有人来修晚上走路看不清楚希望你们尽快派人来看一下谢谢"


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("灶台那边轰一下整面墙都是火我拿水泼不灭", "119"),
        ("阿公突然歪在椅子上手垂下来讲不了话", "120"),
        ("他拿着刀追着我老婆跑", "110"),
        ("两台摩托车在桥头撞到一起了有一个躺着", "122"),
    ],
)
def test_a_danger_in_new_words_has_its_line(said: str, line: str) -> None:
    assert line in [guess.id for guess in learned.danger(said)[:2]]
    assert learned.urgency(said)[0].id == "guide" and learned.urgency(said)[0].probability > 0.3


@pytest.mark.parametrize(
    ("said", "intent"),
    [
        ("我想问一下老人优待证要去哪里办需要带什么材料", "consult"),
        ("真的要谢谢你们那个小伙子帮我把证办好了", "praise"),
        ("能不能在村口多装两个摄像头我觉得会安全一点", "suggestion"),
        ("那家店太黑心了缺斤少两还骂人你们管不管", "complaint"),
    ],
)
def test_intents(said: str, intent: str) -> None:
    assert intent in [guess.id for guess in learned.intents(said)[:2]]


@pytest.mark.parametrize(
    ("said", "matter"),
    [
        ("村口那排灯杆晚上全是黑的没有一盏亮", "street_lamp"),
        ("老板拖了我们三个月的工钱不发", "wages"),
        ("孩子明年上一年级学区是怎么划的", "school_enrolment"),
    ],
)
def test_matters(said: str, matter: str) -> None:
    guesses = learned.matters(said)
    assert matter in [guess.id for guess in guesses[:3]]
    assert sum(guess.probability for guess in guesses) <= 1.001


def test_nothing_said_is_nothing_guessed() -> None:
    assert learned.matters("") == ()
    assert learned.matters("[unk]") == ()
    for guesses in (learned.danger(""), learned.urgency("[unk][unk]"), learned.intents("")):
        assert all(guess.words == () for guess in guesses)


@pytest.mark.parametrize("said", [*UNSEEN["harmless"][:20], *(case["said"] for case in UNSEEN["danger"][:20])])
def test_every_guess_names_words_of_the_caller(said: str) -> None:
    for guesses in (learned.danger(said), learned.urgency(said), learned.intents(said), learned.matters(said)):
        assert [guess.probability for guess in guesses] == sorted((one.probability for one in guesses), reverse=True)
        for guess in guesses:
            assert 0 <= guess.probability <= 1
            assert all(words and words in plain(said) for words in guess.words)


def test_a_homophone_sounds_the_same() -> None:
    sounds = {trait.key for trait in traits("水南")} & {trait.key for trait in traits("水楠")}
    assert "shui nan" in sounds


def test_no_trait_reaches_over_a_gap() -> None:
    assert all(GAP not in trait.key for trait in traits(f"着{GAP}火了"))
    assert "着_了" not in {trait.key for trait in traits(f"着{GAP}了")}


def test_a_danger_within_a_long_speech_is_heard() -> None:
    danger = "等一下我老公突然倒在地上叫他都不应"
    talk = FAR_AWAY * 3
    alone = learned.urgency(danger)[0].probability
    whole = learned.urgency(talk + danger + talk)[0]
    assert whole.probability > 0.4 * alone and "倒在地上" in whole.words[0]
    assert learned.urgency(FAR_AWAY * 200)[0].probability < 0.3


# --- beside the words of danger ----------------------------------------------------------------------------------


def proposed(said: str, jurisdiction: Jurisdiction) -> set[str]:
    """The lines that the desk is shown above the ordinary."""
    found = [danger for danger in danger_words(jurisdiction, plain(said)) if danger.hint.lines]
    if not any(danger.weight > 0.53 for danger in found):
        return set()
    return {line for danger in found for line in danger.hint.lines}


def offered(said: str, jurisdiction: Jurisdiction) -> set[str]:
    found = alarm(said, jurisdiction)
    return set(found.lines) if found else set()


def test_most_unseen_dangers_are_proposed_and_few_harmless_sentences(yazhou: Jurisdiction) -> None:
    """The floors are below what was measured (see docs/evaluation.md), and far above the words alone (22 %)."""
    dangers, harmless = UNSEEN["danger"], UNSEEN["harmless"]
    heard = [case for case in dangers if set(case["lines"]) & proposed(case["said"], yazhou)]
    called = [case for case in dangers if set(case["lines"]) & offered(case["said"], yazhou)]
    shown = [said for said in harmless if proposed(said, yazhou)]
    disturbed = [said for said in harmless if offered(said, yazhou)]
    assert len(heard) / len(dangers) > 0.85
    assert len(called) / len(dangers) > 0.7
    assert len(shown) / len(harmless) < 0.15
    assert len(disturbed) / len(harmless) < 0.09
    assert len(disturbed) <= len(shown)


def alike(said: str, jurisdiction: Jurisdiction) -> list[DangerWord]:
    return [danger for danger in danger_words(jurisdiction, plain(said)) if danger.alike]


def test_a_likeness_says_that_it_is_one(yazhou: Jurisdiction) -> None:
    (danger,) = alike("整个楼道都是烟我们看不见路了", yazhou)
    assert danger.hint.lines[0] == "119"
    assert danger.hint.reason.startswith("说法与已知险情相近：")
    assert danger.phrase in "整个楼道都是烟我们看不见路了"
    assert 0.5 < danger.weight < 1


@pytest.mark.parametrize("said", ["没有着火", "我们这里没有人打架", "你好", "万一着火了怎么办"])
def test_what_is_denied_feared_or_hardly_said_is_like_nothing(said: str, yazhou: Jurisdiction) -> None:
    assert alike(said, yazhou) == []


def test_no_line_is_proposed_that_a_jurisdiction_does_not_have(yazhou: Jurisdiction) -> None:
    few = yazhou.model_copy(update={"lines": tuple(line for line in yazhou.lines if line.number == "110")})
    (danger,) = alike("整个楼道都是烟我们看不见路了", few)
    assert set(danger.hint.lines) <= {"110"}


# --- the weights ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def catalogue() -> Jurisdiction:
    return load(training.CATALOGUE)


def test_the_weights_are_made_from_the_sentences() -> None:
    assert read_weights()["sentences"] == training.fingerprint(training.SENTENCES), (
        "data/sentences has changed: python -m routing.reading.training"
    )
    assert WEIGHTS.stat().st_size < 1_500_000


def weight_of(head: int, pairs: list[int]) -> int:
    return dict(zip(pairs[::2], pairs[1::2], strict=True)).get(head, 0)


def test_training_again_gives_the_same_weights(catalogue: Jurisdiction) -> None:
    """One head stands for all; a hundredth of difference is another machine's last digit."""
    stored = read_weights()
    head = dict(stored["groups"]["urgency"])["emergency"]
    sentences = training.sentences(training.SENTENCES, catalogue)
    again = training.heads_from(sentences, {"urgency": ("emergency",)})
    before = {key: weight_of(head, pairs) for key, pairs in stored["traits"].items()}
    after = {key: weight_of(0, pairs) for key, pairs in again["traits"].items()}
    assert abs(again["biases"][0] - stored["biases"][head]) <= 1
    assert sum(weight != 0 for weight in after.values()) > 1000
    assert all(abs(before.get(key, 0) - after.get(key, 0)) <= training.LEAST for key in {*before, *after})


def test_the_file_has_the_same_bytes_for_the_same_weights(tmp_path: Path) -> None:
    weights = {"traits": {"水": [0, 12], "shui nan": [3, -7]}, "warmth": 1.5}
    training.write(weights, tmp_path / "one")
    training.write(json.loads(json.dumps(weights)), tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert read_weights(tmp_path / "one") == weights


def test_a_sentence_of_a_matter_that_is_listed_as_danger_is_no_everyday_one(
    tmp_path: Path, catalogue: Jurisdiction
) -> None:
    (tmp_path / "danger.yaml").write_text('- {say: "山上 起烟了", lines: ["119"], urgency: guide}\n', "utf-8")
    (tmp_path / "matters.yaml").write_text(
        'open_burning: ["help: 山上起烟了", "complaint: 天天烧垃圾"]\nfire: ["help: 那边有火"]\n', "utf-8"
    )
    danger, listed, everyday, fire = training.sentences(tmp_path, catalogue)
    assert danger.labels == {"lines": {"119"}, "urgency": {"guide"}}
    assert listed.matter == "open_burning" and "lines" not in listed.labels
    assert everyday.labels["lines"] == set() and everyday.labels["intent"] == {"complaint"}
    assert "lines" not in fire.labels
