"""A wrong law is refused at start, with file, line, key, what is wrong and what would be right."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from routing.jurisdiction import load
from settings import ConfigurationError
from tests.routing.law.files import changed

Change = Callable[[Any], None]


def at(*path: str | int, value: Any) -> Change:
    """Puts `value` at a place of the tree."""

    def change(tree: Any) -> None:
        for step in path[:-1]:
            tree = tree[step]
        tree[path[-1]] = value

    return change


def without(*path: str | int) -> Change:
    """Takes a key out."""

    def change(tree: Any) -> None:
        for step in path[:-1]:
            tree = tree[step]
        del tree[path[-1]]

    return change


def again(key: str, index: int, **other: Any) -> Change:
    """Adds a copy of one provision of a list, with `other` values."""

    def change(tree: Any) -> None:
        tree["law"][key].append(tree["law"][key][index] | other)

    return change


def versions(key: str, **of_second: Any) -> Change:
    """Makes two versions of a provision that stands alone."""

    def change(tree: Any) -> None:
        tree["law"][key] = [tree["law"][key], tree["law"][key] | of_second]

    return change


WRONG: list[tuple[str, Change, str]] = [
    ("yazhou", at("law", "limits", 0, "limit", "value", value=0), r"law\.limits\[0\]\.limit\.value: .*greater than 0"),
    ("yazhou", at("law", "limits", 0, "limit", "value", value=1.5), r"law\.limits\[0\]\.limit\.value: .*integer"),
    ("yazhou", at("law", "limits", 0, "limit", "unit", value="week"), r"law\.limits\[0\]\.limit\.unit: .*'minute'"),
    ("yazhou", at("law", "limits", 0, "clock", value="sleep"), r"law\.limits\[0\]\.clock: .*'contact'"),
    ("yazhou", without("law", "limits", 0, "article"), r"law\.limits\[0\]\.article: this key is missing"),
    ("yazhou", without("law", "limits", 0, "limit"), r"law\.limits\[0\]\.limit: this key is missing"),
    ("yazhou", without("law", "limits", 0, "since"), r"law\.limits\[0\]\.since: this key is missing"),
    ("yazhou", at("law", "limits", 0, "rule", value="YZ15"), r"law\.limits\[0\]\.rule: string should match pattern"),
    ("yazhou", at("law", "limits", 0, "ruling", value="X1"), r"law\.limits\[0\]\.ruling: string should match pattern"),
    ("yazhou", at("law", "limits", 0, "until", value=date(2021, 7, 16)), r"law\.limits\[0\]: until .* must be after"),
    ("yazhou", at("law", "limits", 0, "at_once", value=True), r"law\.limits\[0\]: a limit with a number is neither"),
    (
        "yazhou",
        at("law", "limits", 0, "applies", "intents", 2, value="raport"),
        r"law\.limits\[0\]\.applies\.intents\[2\]: there is no intent 'raport' \(there are: complaint, consult, ",
    ),
    (
        "yazhou",
        at("law", "limits", 1, "applies", "urgencies", 0, value="urgent"),
        r"law\.limits\[1\]\.applies\.urgencies\[0\]: there is no urgency 'urgent'",
    ),
    (
        "yazhou",
        at("law", "approvals", 0, "applies", "classes", 0, value="rural"),
        r"law\.approvals\[0\]\.applies\.classes\[0\]: there is no handling class 'rural'",
    ),
    (
        "yazhou",
        again("limits", 0, limit={"value": 45, "unit": "minute"}),
        r"law\.limits\[16\]: limits contact \(from dispatch\) for the same tickets as law\.limits\[0\] on the same day",
    ),
    (
        "yazhou",
        again("limits", 6, applies={"intents": ["help"]}, since=date(2027, 1, 1)),
        r"law\.limits\[16\]: limits accept .* as law\.limits\[6\] on the same day; end one with until",
    ),
    ("yazhou", again("extensions", 1), r"law\.extensions\[3\]: extends the same tickets as law\.extensions\[1\]"),
    ("yazhou", again("approvals", 2), r"law\.approvals\[3\]: wants approvals for the same results"),
    ("yazhou", again("violations", 0), r"law\.violations\[8\]: is called V1 as law\.violations\[0\]"),
    ("yazhou", again("refusal_grounds", 1), r"law\.refusal_grounds\[7\]: is called YZ-12-2"),
    ("yazhou", again("escalations", 1), r"law\.escalations\[4\]: is called overdue"),
    ("yazhou", versions("returns"), r"law\.returns\[1\]: holds as law\.returns\[0\] on the same day"),
    (
        "yazhou",
        at("law", "approvals", 0, "roles", 0, value="boss"),
        r"law\.approvals\[0\]\.roles\[0\]: .*'agent'",
    ),
    ("yazhou", at("law", "approvals", 0, "roles", value=[]), r"law\.approvals\[0\]\.roles: .*at least 1"),
    ("yazhou", at("law", "extensions", 0, "max_times", value=0), r"max_times: .*greater than or equal to 1"),
    ("yazhou", at("law", "discipline", "unit", value="yz.jiwai"), r"law\.discipline\[0\]\.unit: there is no unit"),
    ("yazhou", at("law", "discipline", "unit", value=None), r"law\.discipline\[0\]\.action: a transfer names a unit"),
    (
        "yangling",
        at("law", "discipline", "ground", value="party"),
        r"law\.discipline\[0\]\.ground: there is no refusal ground 'party'",
    ),
    ("yangling", at("law", "discipline", "unit", value="yl.host"), r"a refusal names a ground and no unit"),
    ("yazhou", at("law", "guide", "lines", 0, value="911"), r"law\.guide\[0\]\.lines\[0\]: there is no line '911'"),
    ("yazhou", at("law", "referrals", 0, "line", value="118"), r"law\.referrals\[0\]\.line: there is no line '118'"),
    (
        "yazhou",
        at("law", "satisfaction", "satisfied", 0, value="很满意"),
        r"law\.satisfaction\[0\]\.satisfied: '很满意' is not one of levels",
    ),
    (
        "turpan",
        at("law", "redo", "after_ratings", 0, value="差"),
        r"law\.redo\[0\]\.after_ratings\[0\]: '差' is not one of satisfaction\.levels",
    ),
    (
        "qionghai",
        at("law", "satisfaction", "exclusions", 1, "code", value="E1"),
        r"law\.satisfaction\[0\]\.exclusions\[1\]\.code: 'E1' is there twice",
    ),
    ("yazhou", without("law", "violations", 0, "threshold"), r"law\.violations\[0\]: a counted violation needs"),
    ("yazhou", at("law", "violations", 2, "threshold", value=2), r"law\.violations\[2\]: .*any other has neither"),
    (
        "yazhou",
        at("law", "completion_forms", 1, "fields", 1, "required_when", value=["finding", "maybe"]),
        r"completion_forms\[1\]\.fields\[1\]\.required_when: no earlier field 'finding' has the choice 'maybe'",
    ),
    (
        "turpan",
        at("law", "completion_forms", 1, "fields", 0, "id", value="result"),
        r"law\.completion_forms\[1\]: asks for the field result of the same tickets as law\.completion_forms\[0\]",
    ),
    ("yazhou", at("law", "on_site_experts", "first_answer_below", value=80), r"first_answer_below: .*less than 1"),
    ("yazhou", at("law", "warn_at", value=[0.8, 0.5]), r"law\.warn_at: the fractions must rise"),
    ("yazhou", at("law", "warn_at", value=[1.0]), r"law\.warn_at\[0\]: .*less than 1"),
    ("yazhou", at("law", "retorts", value={}), r"law\.retorts: this key is not known here"),
    ("yazhou", at("law", "returns", "locks", value=True), r"law\.returns\[0\]\.locks: this key is not known here"),
    ("yazhou", without("law"), r"law: this key is missing"),
    ("qionghai", at("law", "training", "reminder_at", value="25:00"), r"reminder_at: string should match pattern"),
    ("yazhou", at("unit_groups", 0, "until", value=date(2020, 1, 1)), r"unit_groups\[0\]\.until: .* must be after"),
    (
        "yazhou",
        at("unit_groups", 0, "units", 1, "until", value=date(2021, 7, 16)),
        r"unit_groups\[0\]\.units\[1\]\.until: 2021-07-16 must be after since 2021-07-16",
    ),
    ("sanya", at("words_from", value="shanya"), r"words_from: there is no other file shanya\.yaml"),
    ("yangling", at("words_from", value="yangling"), r"words_from: there is no other file yangling\.yaml beside"),
    ("yangling", at("forms_from", value="nowhere"), r"forms_from: there is no other file nowhere\.yaml"),
    ("sanya", without("words_from"), r"emergency\.hints: this key is missing"),
    ("sanya", at("lines", value=[]), r"emergency\.hints\[0\]\.lines\[0\]: there is no line '119'"),
]


@pytest.mark.parametrize(("name", "change", "message"), WRONG, ids=[f"{n:02}-{row[0]}" for n, row in enumerate(WRONG)])
def test_a_wrong_law(name: str, change: Change, message: str, tmp_path: Path) -> None:
    path = changed(tmp_path, name, change)
    with pytest.raises(ConfigurationError, match=message) as caught:
        load(path)
    assert re.match(rf"{re.escape(str(path))}:\d+: ", str(caught.value))


def test_the_line_is_that_of_the_provision(tmp_path: Path) -> None:
    path = changed(tmp_path, "yazhou", again("limits", 0))
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    line = int(re.findall(r":(\d+): ", str(caught.value))[0])
    text = path.read_text("utf-8").splitlines()
    assert text[line - 1].startswith("  - applies:") or "clock: contact" in text[line]
    assert "contact" in "".join(text[line - 1 : line + 30])


def test_a_file_that_lends_words_has_its_own(tmp_path: Path) -> None:
    path = changed(tmp_path, "sanya", at("words_from", value="yangling"))
    changed(tmp_path, "yangling", at("words_from", value="sanya"))
    with pytest.raises(ConfigurationError, match=r"words_from: yangling\.yaml has none of its own"):
        load(path)
