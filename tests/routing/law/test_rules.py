"""The rules and their proofs: none of the specification is missing, no case names a rule that is not there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import server
from routing.jurisdiction import load
from routing.law import rules
from routing.law.cases import Case, CaseError, read_all
from routing.law.commands import CASES, table
from settings import ROOT, ConfigurationError
from settings import load as load_settings

CONFIG = ROOT / "config"

# The rules of the specification, as its tables name them (V1 to V8 are the items of YZ-37).
SPECIFICATION = {
    "YZ": "2 3 4 6(3) 6(4) 6(7) 6(8) 6(9) 6(10) 7 8 9 10 10(4) 10(6) 11(1) 11(2) 11(3) 11(4) 11(5) 11(6) 11(7)"
    " 12(1) 12(2) 12(3) 12(4) 12(5) 12(6) 12(7) 13 14(1) 14(2) 14(3) 14(4) 14(5) 15 16 17 18 19 20 21 22 23 24 25 26"
    " 27 28 29 30 31 32 33 34 35 36 37 37(1) 37(2) 37(3) 37(4) 37(5) 37(6) 37(7) 37(8) 38",
    "SY": "2 8 9 10 11(6) 12(5) 13 14 14(4) 14(5)",
    "SY18": "0 1 2 3 4 5",
    "YL": "2 3 11 11(5) 11(6) 11(7) 12(1) 12(2) 12(3) 12(4) 12(5) 12(6) 12(7) 13(1) 13(2) 13(3) 13(4) 13(5) 14 14(1)"
    " 14(2) 14(3) 14(4) 15 16 17 19 20 22 23 24",
    "QH": "1 2a 2b 3a 3b 3c 4a 4b 4c 5a 5b 5c 6 7",
    "TP": "4 5 6 7 9 10(1) 10(2) 10(3) 10(4) 10(5) 10(6) 10(7) 10(8) 10(9) 11 12(3) 12(4) 12(5) 13 14(1) 14(2) 15 16"
    " 17(1) 17(2) 18 19 20 21 22 23 24 26 28 29 31 33 34 35 37 38 39",
}
SPECIFIED = [f"{prefix}-{one}" for prefix, ids in SPECIFICATION.items() for one in ids.split()]


@pytest.fixture(scope="module")
def found() -> list[rules.Rule]:
    return rules.read(CONFIG / "rules.yaml")


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return read_all(CASES)


def test_every_rule_of_the_specification_is_there(found: list[rules.Rule]) -> None:
    ids = {rule.id for rule in found}
    assert [rule for rule in SPECIFIED if rule not in ids] == []


def test_every_rule_is_proven_or_a_persons_matter(found: list[rules.Rule], cases: list[Case]) -> None:
    counts = rules.coverage(rules.proofs(found, cases))
    assert counts["missing"] == []
    assert counts["proven"] + counts["person"] == counts["rules"] == len(found)
    for name in ("yazhou", "sanya", "yangling", "qionghai", "turpan"):
        assert counts["jurisdictions"][name]["proven"] > 0


def test_a_case_plays_in_the_jurisdiction_whose_rule_it_proves(found: list[rules.Rule], cases: list[Case]) -> None:
    strangers = [
        (case.name, rule)
        for case in cases
        for rule in case.proves
        if not case.elsewhere and not case.note and rules.PREFIXES[rule.split("-")[0]] != case.jurisdiction
    ]
    assert strangers == [], "a case that plays elsewhere says why (说明)"


def test_what_carries_a_rule_is_there(found: list[rules.Rule]) -> None:
    names = {rule.jurisdiction for rule in found}
    jurisdictions = {name: load(CONFIG / "jurisdictions" / f"{name}.yaml") for name in names}
    nowhere = [
        (rule.id, where)
        for rule in found
        for where in rule.where
        if not (ROOT / where).exists() and not list(rules.values(where, jurisdictions[rule.jurisdiction], rule.id))
    ]
    assert nowhere == []


def test_a_case_that_names_an_unknown_rule_is_refused(found: list[rules.Rule], cases: list[Case]) -> None:
    stranger = replace(cases[0], proves=("YZ-99",))
    with pytest.raises(CaseError, match="没有规则 YZ-99"):
        rules.proofs(found, [stranger])


def test_a_rule_without_a_case_is_missing(found: list[rules.Rule], cases: list[Case]) -> None:
    without = [replace(case, proves=tuple(rule for rule in case.proves if rule != "YZ-17")) for case in cases]
    counts = rules.coverage(rules.proofs(found, without))
    assert counts["missing"] == counts["jurisdictions"]["yazhou"]["missing"] == ["YZ-17"]


def test_a_persons_matter_stays_one_whatever_cases_show(found: list[rules.Rule], cases: list[Case]) -> None:
    a_persons = next(rule for rule in found if rule.decided_by == "person")
    [proof] = [
        one for one in rules.proofs(found, [replace(cases[0], proves=(a_persons.id,))]) if one.rule.id == a_persons.id
    ]
    assert proof.standing == "person" and proof.cases


def test_docs_law_is_up_to_date() -> None:
    settings = load_settings(CONFIG, ROOT / "var", {})
    assert (ROOT / "docs" / "law.md").read_text("utf-8") == table(settings), (
        "docs/law.md is stale: .venv/bin/python server.py law table > docs/law.md"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("YZ-2: x", "must be a list"),
        ("- {id: YZ-2, article: x, phrase: x, summary: x, decided_by: machine, where: []}", "decided_by"),
        ("- {id: XX-2, article: x, phrase: x, summary: x, decided_by: software, where: []}", "id"),
        ("- {id: YZ-2, article: x, phrase: x, summary: x, decided_by: person, where: []}", "for what reason"),
        ("- {id: YZ-2, article: x, phrase: x, summary: x, decided_by: software}", "where: this key is missing"),
        (
            "- &a {id: YZ-2, article: x, phrase: x, summary: x, decided_by: software, where: []}\n- *a",
            "each rule may be there once",
        ),
    ],
    ids=range(6),
)
def test_wrong_rules_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as refused:
        rules.read(file)
    assert message in str(refused.value) and "rules.yaml" in str(refused.value)


# ------------------------------------------------------------------ the command line


@dataclass(frozen=True)
class Done:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


Law = Callable[..., Done]


@pytest.fixture
def law(capsys: pytest.CaptureFixture[str]) -> Law:
    """`server.py law ...`, in this process: starting Python and reading all of the law anew takes seconds."""
    mask = os.umask(0o022)
    os.umask(mask)

    def run(*arguments: str) -> Done:
        try:
            code = server.main(["law", *arguments])
        finally:
            os.umask(mask)
        shown = capsys.readouterr()
        return Done(code, shown.out, shown.err)

    return run


@pytest.mark.parametrize(
    ("asked", "limits"),
    [
        (
            ("yazhou", "complaint", "non_urban_management", "normal", "2026-02-13T16:00:00+08:00"),
            {
                "contact": "2026-02-13T16:30:00+08:00",
                "return": "2026-02-14T16:00:00+08:00",
                "accept": "2026-02-14T16:00:00+08:00",
                "complete": "2026-02-28T00:00:00+08:00",
            },
        ),
        (
            ("yazhou", "help", "urban_management", "emergency", "2026-02-13T08:00:00Z"),
            {
                "contact": "2026-02-13T16:30:00+08:00",
                "start": "2026-02-13T16:30:00+08:00",
                "return": "2026-02-13T16:30:00+08:00",
                "accept": "2026-02-14T16:00:00+08:00",
                "complete": "2026-02-15T16:00:00+08:00",
            },
        ),
        (
            ("turpan", "举报", "城市管理类", "一般", "2026-09-18 17:00+08:00"),
            {
                "sign": "2026-09-19T05:00:00+08:00",
                "return": "2026-09-19T13:00:00+08:00",
                "complete": "2026-10-16T00:00:00+08:00",
            },
        ),
        (("qionghai", "complaint", "urban_management", "normal", "2026-09-18T17:00:00+08:00"), {}),
    ],
    ids=["yazhou", "emergency", "turpan", "silent"],
)
def test_law_clock(law: Law, asked: tuple[str, str, str, str, str], limits: dict[str, str]) -> None:
    jurisdiction, intent, handling_class, urgency, at = asked
    done = law(
        *("clock", jurisdiction, "--intent", intent, "--class", handling_class),
        *("--urgency", urgency, "--at", at, "--json"),
    )
    assert done.code == 0, done.err
    assert json.loads(done.out) == limits


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"jurisdiction": "haikou"}, "there are: qionghai, sanya, turpan, yangling, yazhou"),
        ({"intent": "shout"}, "complaint (投诉)"),
        ({"class": "rural"}, "urban_management (城区管理类)"),
        ({"urgency": "soon"}, "emergency (应急类)"),
        ({"at": "2026-02-30T10:00:00+08:00"}, "is not a time that exists"),
        ({"at": "morning"}, "must be like 2026-02-13T16:00:00+08:00"),
        ({"at": "2026-02-13T16:00:00"}, "has no time zone; in 三亚市崖州区 it would be 2026-02-13T16:00:00+08:00"),
    ],
    ids=range(7),
)
def test_law_clock_says_what_would_be_right(law: Law, wrong: dict[str, str], right: str) -> None:
    asked = {
        "jurisdiction": "yazhou",
        "intent": "complaint",
        "class": "urban_management",
        "urgency": "normal",
        "at": "2026-02-13T16:00:00+08:00",
        **wrong,
    }
    done = law(
        "clock",
        asked["jurisdiction"],
        *(word for name in ("intent", "class", "urgency", "at") for word in (f"--{name}", asked[name])),
    )
    assert done.code == 2 and done.out == ""
    assert right in done.err and "Traceback" not in done.err


def test_law_clock_beyond_the_calendar(law: Law) -> None:
    done = law(
        *("clock", "yazhou", "--intent", "complaint", "--class", "non_urban_management"),
        *("--urgency", "normal", "--at", "2027-03-01T10:00:00+08:00", "--json"),
    )
    assert done.code == 1 and done.out == "" and "没有 2027 年" in done.err


def test_law_show(law: Law) -> None:
    done = law("show", "YZ-17")
    assert done.code == 0, done.err
    for words in ("第十七条", "不得再退回", "law.limits", "24 hour", "yazhou-units.yaml"):
        assert words in done.out
    unknown = law("show", "YZ-99")
    assert unknown.code == 2 and "there is no rule 'YZ-99'" in unknown.err


def test_law_coverage(law: Law) -> None:
    done = law("coverage", "--json")
    assert done.code == 0, done.err
    counts = json.loads(done.out)
    assert set(counts) == {"rules", "proven", "person", "missing", "jurisdictions"}
    assert counts["missing"] == [] and counts["rules"] == sum(one["rules"] for one in counts["jurisdictions"].values())


def test_law_play(law: Law, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    given = "{时间: 2026-03-02 09:00, 工单: {诉求: 投诉, 办理类别: 城区管理类, 受理范围: YZ-11-3}}"
    wrong.write_text(
        f"- {{案例: 对的, 证明: [YZ-18], 已知: {given}, 结果: {{状态: 已受理}}}}\n"
        f"- {{案例: 不对的, 证明: [YZ-18], 已知: {given}, 结果: {{状态: 已归档}}}}\n",
        "utf-8",
    )
    held = law("play", str(wrong), "--case", "对的")
    assert held.code == 1 and "2 个案例，1 个不成立" in held.out
    assert "状态：已受理" in held.out and "“状态”应为 已归档，实际 已受理" in held.out
    assert law("play", str(wrong), "--case", "没有的").code == 2
    assert law("play", str(tmp_path / "none.yaml")).code == 2
