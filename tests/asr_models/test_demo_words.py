"""Words added to the demo model, and the words that it must know."""

from __future__ import annotations

import argparse
import math
import re
import shutil
import struct
from pathlib import Path

import pytest
import yaml

import settings as configuration
from asr_models import commands, manifest, vosk_recogniser
from asr_models.catalogue import DEMO_FOLDER, InstalledModel
from asr_models.demo_model import graph, language, phones, words
from asr_models.demo_model.language import END, START, Group, Language, Word
from asr_models.errors import ModelError
from asr_models.recogniser import GAP, Final, Recogniser
from tests.asr_models.spoken import digits, noise, pieces, ringing, say, silence

DEMO = InstalledModel("demo", "zh", DEMO_FOLDER)
USUAL = """
先生 女士 阿婆 师傅 欧阳 符 王 一 二 三 四 五 六 七 八 九 零 幺 两 十 百 千 万 块 元 昨天 前天 凌晨 半夜 礼拜三 星期天
上个月 你好 您好 喂 请问 嗯 谢谢 再见 不对 说错了 不是 希望 能不能 路灯 停水 停电 着火 救护车 报警 垃圾 噪音 工资 退款
"""
JURISDICTIONS = configuration.ROOT / "config" / "jurisdictions"


def run(data_dir: Path, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    commands.add_actions(parser)
    args = parser.parse_args(arguments)
    code: int = args.handler(args, configuration.load(configuration.ROOT / "config", data_dir))
    return code


def heard(recogniser: Recogniser, pcm: bytes) -> str:
    stream = recogniser.start()
    results = [result for piece in pieces(silence(0.3) + pcm + silence(0.6)) for result in stream.feed(piece)]
    return "".join(result.text for result in (*results, *stream.close()) if isinstance(result, Final))


@pytest.fixture(scope="module")
def demo() -> Recogniser:
    return vosk_recogniser.load(DEMO)


# --- what the demo model knows ---------------------------------------------------------------------------------------


def test_the_built_model_is_small_and_knows_thousands_of_words() -> None:
    assert sum(path.stat().st_size for path in DEMO_FOLDER.rglob("*") if path.is_file()) < 2_000_000
    assert len(language.read(DEMO_FOLDER).words()) > 3000
    assert manifest.differences(DEMO_FOLDER) == []


def test_words_txt_and_the_language_are_of_one_making() -> None:
    table = (DEMO_FOLDER / "graph" / "words.txt").read_text(encoding="utf-8").splitlines()
    assert {line.split()[0] for line in table} - {"<eps>", "#0", GAP} == language.read(DEMO_FOLDER).words()


def can_be_said(text: str, known: set[str]) -> bool:
    reached = {0}
    for end in range(1, len(text) + 1):
        if any(text[start:end] in known for start in reached):
            reached.add(end)
    return len(text) in reached


@pytest.mark.parametrize("name", ["qionghai", "sanya", "turpan", "yangling", "yazhou"])
def test_every_unit_of_a_jurisdiction_can_be_said(name: str) -> None:
    known = language.read(DEMO_FOLDER).words()
    content = yaml.safe_load((JURISDICTIONS / f"{name}.yaml").read_text(encoding="utf-8"))
    units = [unit for group in content["unit_groups"] for unit in group["units"]] + content.get("outside_units", [])
    said = [part for unit in units for key in ("name", "short") for part in re.findall(r"[\u4e00-\u9fff]+", unit[key])]
    assert said
    assert [text for text in said if not can_be_said(text, known)] == []


def test_the_usual_words_are_known() -> None:
    known = language.read(DEMO_FOLDER).words()
    assert [text for text in USUAL.split() if not can_be_said(text, known)] == []


@pytest.mark.parametrize(
    "text",
    [
        "一三八八八八八二二二二",
        "幺五零零零五五一一三三",
        "着火了着火了",
        "城东村工地夜间施工噪音扰民影响孩子睡觉",
        "我姓符",
    ],
    ids=["eights-and-twos", "zeros-fives-ones", "fire", "noise", "surname"],
)
def test_what_the_demo_model_hears(text: str, demo: Recogniser) -> None:
    assert heard(demo, say(text)) == text


@pytest.mark.parametrize(
    "pcm",
    [silence(5), noise(4, 30), noise(4, 1000), digits("1590#"), ringing()],
    ids=["silence", "hiss", "noise", "keys", "ringing"],
)
def test_what_is_no_speech_gives_no_text(pcm: bytes, demo: Recogniser) -> None:
    assert heard(demo, pcm) == ""


# --- words added -----------------------------------------------------------------------------------------------------


def test_an_added_word_is_heard_and_the_first_model_is_as_it_was(tmp_path: Path, demo: Recogniser) -> None:
    new, sentence = "蓝月谷", "蓝月谷停水两天了什么时候恢复"
    assert new not in language.read(DEMO_FOLDER).words()
    assert heard(demo, say(sentence)) != sentence

    added = words.add(DEMO, [new, "水南村", new], words.LIKE, tmp_path / "models" / "ours")

    assert added.new == (new,) and added.known == ("水南村",)
    ours = InstalledModel("ours", "zh", tmp_path / "models" / "ours")
    assert heard(vosk_recogniser.load(ours), say(sentence)) == sentence
    assert manifest.differences(ours.folder) == []
    assert manifest.differences(DEMO_FOLDER) == []
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["ours"]


def test_words_are_added_to_what_was_added_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = tmp_path / "new.txt"
    listed.write_text("蓝月谷\n红杉屿\n", encoding="utf-8")
    assert run(tmp_path, "words", "add", "--file", str(listed)) == 0
    assert run(tmp_path, "words", "add", "银沙渡") == 0
    capsys.readouterr()
    assert run(tmp_path, "words", "list", "--added") == 0
    assert capsys.readouterr().out.split() == ["蓝月谷", "红杉屿", "银沙渡"]
    assert run(tmp_path, "verify", "demo-words") == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["A座"], "is not a word: 1 to 20 hanzi"),
        (["蓝月谷", "12号楼"], "is not a word"),
        (["长" * 21], "is not a word"),
        (["蓝月谷", "--like", "没有这个词"], "does not know the word '没有这个词'"),
        (["蓝月谷", "--model", "nonsense"], "there is no model 'nonsense'"),
        (["蓝月谷", "--as", "../up"], "is not a model's name"),
        (["蓝月谷", "--as", "demo"], "is part of the program"),
        (["--file", "/nowhere/words.txt"], "No such file"),
    ],
    ids=["latin", "digits", "long", "unlike", "no-model", "path", "demo", "no-file"],
)
def test_what_cannot_be_added_changes_nothing(
    arguments: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "words", "add", *arguments) == 1
    assert reason in capsys.readouterr().err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert manifest.differences(DEMO_FOLDER) == []


def test_no_word_at_all_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "words", "add") == 2
    assert "no word was given" in capsys.readouterr().err


def strange(folder: Path) -> None:
    (folder / language.FILE).unlink()


def garbled(folder: Path) -> None:
    (folder / language.FILE).write_bytes(b"no gzip")


def other_phones(folder: Path) -> None:
    (folder / "graph" / "phones.txt").write_text("<eps> 0\nSIL 1\nSPN 2\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [(strange, "of our own recipe"), (garbled, "is damaged"), (other_phones, "not a table of phones of our recipe")],
    ids=["no-language", "garbled", "other-phones"],
)
def test_a_model_that_takes_no_words(damage: object, reason: str, tmp_path: Path) -> None:
    copy = InstalledModel("copy", "zh", tmp_path / "copy")
    shutil.copytree(DEMO_FOLDER, copy.folder)
    damage(copy.folder)  # type: ignore[operator]
    with pytest.raises(ModelError, match=reason):
        words.add(copy, ["蓝月谷"], words.LIKE, tmp_path / "ours")
    assert not (tmp_path / "ours").exists()


# --- language and graph ----------------------------------------------------------------------------------------------

SMALL = Language(
    (
        Group("place", (Word("东村", 0.7, (1, 2, 3)), Word("西村", 0.3, (4, 2, 3)))),
        Group("said", (Word("停水", 0.5, (1, 2)), Word("听", 0.25, (1, 2)), Word("停", 0.25, (1,)))),
    ),
    {0: 0.4, 1: 0.4, END: 0.2},
    {START: {0: 0.8}, 0: {1: 0.9}, 1: {END: 0.6}},
)
NAMES = phones.Inventory(("SIL", "a1", "n", "u1", "t"))


def test_a_language_is_read_as_it_was_written(tmp_path: Path) -> None:
    language.write(SMALL, tmp_path)
    first = (tmp_path / language.FILE).read_bytes()
    assert language.read(tmp_path) == SMALL
    language.write(SMALL, tmp_path)
    assert (tmp_path / language.FILE).read_bytes() == first


def test_a_new_word_takes_its_share_of_its_class() -> None:
    more = SMALL.with_word("南村", (2, 3), "西村")
    likely = {word.text: word.likely for word in more.groups[0].words}
    assert sum(likely.values()) == pytest.approx(1)
    assert likely["南村"] == likely["西村"] == pytest.approx(0.3 / 1.3)
    assert more.groups[1] == SMALL.groups[1] and more.added == ("南村",)


def test_a_rare_tone_has_a_sound_all_the_same() -> None:
    assert NAMES.nearest("u1") == 3 and NAMES.nearest("u4") == 3 and NAMES.nearest("u4^") == 3
    with pytest.raises(ModelError, match="no sound for the phone 'x2'"):
        NAMES.nearest("x2")


def read_graph(path: Path) -> tuple[int, list[tuple[float, list[tuple[int, int, float, int]]]]]:
    """An independent reading of an OpenFst ConstFst: its start, and for each state its end cost and arcs."""
    content = path.read_bytes()
    assert struct.unpack_from("<i", content) == (2125659606,)
    at = 4
    for name in (b"const", b"standard"):
        (length,) = struct.unpack_from("<i", content, at)
        assert content[at + 4 : at + 4 + length] == name
        at += 4 + length
    _, _, _, start, states, count = struct.unpack_from("<iiQqqq", content, at)
    at += struct.calcsize("<iiQqqq")
    rows = [struct.unpack_from("<fIIII", content, at + 20 * number) for number in range(states)]
    at += 20 * states
    arcs = [struct.unpack_from("<iifi", content, at + 16 * number) for number in range(count)]
    assert len(content) == at + 16 * count
    found = []
    for end, first, number, silent, unnamed in rows:
        own = [(a, b, c, d) for a, b, c, d in arcs[first : first + number]]
        assert silent == sum(arc[0] == 0 for arc in own) and unnamed == sum(arc[1] == 0 for arc in own)
        assert all(0 <= arc[3] < states for arc in own)
        found.append((end, own))
    return start, found


def cheapest(path: Path, wanted: list[int]) -> float:
    """The least cost of hearing these words from the start to an end, whatever sounds they are made of."""
    start, states = read_graph(path)
    costs = {(start, 0): 0.0}
    todo = [(start, 0)]
    while todo:
        state, said = todo.pop()
        for transition, word, cost, target in states[state][1]:
            if word and (said == len(wanted) or word != wanted[said]):
                continue
            if transition % 2 and target == state:  # it lasts
                continue
            place = (target, said + bool(word))
            total = costs[state, said] + cost
            if total < costs.get(place, math.inf) - 1e-9:
                costs[place] = total
                todo.append(place)
    return min(
        (cost + states[state][0] for (state, said), cost in costs.items() if said == len(wanted)), default=math.inf
    )


def test_the_graph_costs_what_the_language_says(tmp_path: Path) -> None:
    graph.write_graph(SMALL, NAMES, tmp_path)
    table = (tmp_path / "words.txt").read_text(encoding="utf-8").splitlines()
    numbers = {line.split()[0]: int(line.split()[1]) for line in table}
    enter, no_pause = -math.log(1 - 0.6), -math.log(1 - 0.2)
    said = [numbers["东村"], numbers["停水"]]
    likely = 0.8 * 0.7 * 0.9 * 0.5 * 0.6
    assert cheapest(tmp_path / "HCLG.fst", said) == pytest.approx(5 * enter + 3 * no_pause - math.log(likely), abs=1e-4)
    # 西村 follows 停 only by way of "anything"; 听 sounds as 停水 does and must stay apart from it.
    back = (1 - 0.6) / (1 - 0.2)
    likely = 0.5 * 0.25 * back * 0.4 * 0.3 * ((1 - 0.9) / (1 - 0.4)) * 0.2
    first = (1 - 0.8) / (1 - 0.4) * 0.4 / 0.5
    said = [numbers["听"], numbers["西村"]]
    assert cheapest(tmp_path / "HCLG.fst", said) == pytest.approx(
        5 * enter + 3 * no_pause - math.log(likely * first), abs=1e-4
    )
