"""The five files: units, what each provision names, and the catalogue of rules that they carry."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from typing import Any

import pytest
import yaml

from routing.jurisdiction import Jurisdiction
from routing.law.law import LISTS, PLAIN, Law, LawOverTime
from routing.law.provisions import RULE_ID, Provision
from settings import ROOT
from tests.routing.law.files import NAMES, loaded

RULES: list[dict[str, Any]] = yaml.load((ROOT / "config" / "rules.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
PREFIXES = {"YZ": "yazhou", "SY": "sanya", "SY18": "sanya", "YL": "yangling", "QH": "qionghai", "TP": "turpan"}


def test_the_units_of_yazhou_and_sanya() -> None:
    assert [len(group.units) for group in loaded("yazhou").unit_groups] == [9, 1, 1, 30, 5, 2, 17, 5, 33]
    assert [len(group.units) for group in loaded("sanya").unit_groups] == [37, 6, 10, 4, 5, 25]
    assert len(loaded("yazhou").members_on(date(2026, 1, 1))) == 103
    assert len(loaded("sanya").members_on(date(2026, 1, 1))) == 87


def test_sanya_follows_the_list_in_the_text() -> None:
    """The notes before the text print another list (C9)."""
    names = {unit.name for unit in loaded("sanya").members_on(date(2026, 1, 1))}
    assert {"市金融发展局", "市退役军人事务局", "市市场监督管理局", "市医疗保障局", "市扶贫工作办公室"} <= names
    assert not {"市海洋局", "市园林环卫管理局", "市海防办公室", "三亚广播电视台"} & names
    assert not [name for name in names if re.search("资讯|网路|行动|程式", name)]


def test_units_take_part_from_their_day_on() -> None:
    yazhou = loaded("yazhou")
    assert not yazhou.takes_part("yz.zhujian", date(2021, 7, 15))
    assert yazhou.takes_part("yz.zhujian", date(2021, 7, 16))
    assert yazhou.members_on(date(2021, 7, 15)) == []
    assert not yazhou.takes_part("yz.nobody", date(2026, 1, 1))
    assert not loaded("qionghai").takes_part("qh.grid", date(2024, 4, 14))
    assert loaded("qionghai").takes_part("qh.grid", date(2024, 4, 15))


@pytest.mark.parametrize("name", NAMES)
def test_everything_names_its_article_and_a_rule_of_the_catalogue(name: str) -> None:
    known = {rule["id"] for rule in RULES}
    for key, versions in loaded(name).law.provisions.items():
        for one in versions:
            assert one.rule in known, (key, one.rule)
            own = PREFIXES[one.rule.split("-")[0]] == name
            assert own or one.adopted, f"{key}: {one.rule} is another jurisdiction's and not marked as adopted"


@pytest.mark.parametrize("name", NAMES)
def test_a_ruling_is_marked_where_the_document_is_silent(name: str) -> None:
    law = loaded(name).law
    assert {one.ruling for one in law.satisfaction + law.callback} == {"S15"}
    assert {one.ruling for one in law.retention} == {"S16"}
    assert {one.ruling for one in law.limits if one.clock == "callback"} == {"S15"}
    assert {one.ruling for one in law.no_extension if one.redo} <= {"S13"}


def test_the_words_of_yazhou_are_the_words_everywhere() -> None:
    yazhou = loaded("yazhou")
    for name in NAMES[1:]:
        it = loaded(name)
        assert it.emergency.hints == yazhou.emergency.hints
        assert it.confidentiality.anonymous == yazhou.confidentiality.anonymous
        words = {intent.id: intent.words for intent in yazhou.intents}
        assert all(intent.words == words[intent.id] for intent in it.intents)


def test_adopted_forms_are_sanyas() -> None:
    sanya = {form.rule: form.fields for form in loaded("sanya").law.completion_forms}
    for name in ("yazhou", "yangling", "qionghai"):
        forms = loaded(name).law.completion_forms
        assert {form.rule: form.fields for form in forms} == sanya
        assert all(form.adopted for form in forms)
        assert all(set(form.applies.intents) <= {intent.id for intent in loaded(name).intents} for form in forms)
    assert {form.rule for form in loaded("turpan").law.completion_forms} == {"TP-19"}


def test_the_catalogue_of_rules() -> None:
    ids = [rule["id"] for rule in RULES]
    assert [one for one, times in Counter(ids).items() if times > 1] == []
    assert len(ids) >= 112
    for rule in RULES:
        assert re.match(RULE_ID, rule["id"]), rule["id"]
        assert rule["decided_by"] in ("software", "person")
        assert set(rule) - {"why"} == {"id", "article", "phrase", "summary", "decided_by", "where"}
        assert ("why" in rule) == (rule["decided_by"] == "person"), rule["id"]
        assert rule["where"] or rule["decided_by"] == "person", rule["id"]


@pytest.mark.parametrize("rule", RULES, ids=[rule["id"] for rule in RULES])
def test_where_a_rule_is_configured(rule: dict[str, Any]) -> None:
    it = loaded(PREFIXES[rule["id"].split("-")[0]])
    for where in rule["where"]:
        if where.startswith("routing/"):
            continue
        assert _filled(it, where), f"{rule['id']}: {where} says nothing in {it.id}.yaml"


def _filled(it: Jurisdiction, where: str) -> bool:
    part, _, key = where.partition(".")
    if part != "law":
        assert part in type(it).model_fields, f"no file has {where}"
        return bool(getattr(it, part))
    assert key in LawOverTime.model_fields, f"no file has {where}"
    return getattr(it.law, key) not in (None, ())


@pytest.mark.parametrize("name", NAMES)
def test_every_provision_is_in_the_catalogue_under_its_key(name: str) -> None:
    """A rule that a provision carries says so in the catalogue: nobody looks for it in vain."""
    where = {rule["id"]: rule["where"] for rule in RULES}
    for key, versions in loaded(name).law.provisions.items():
        for one in versions:
            if one.ruling is None and one.adopted is None:
                assert f"law.{key}" in where[one.rule], (name, key, one.rule)


@pytest.mark.parametrize("name", NAMES)
def test_no_ticket_has_two_limits_for_one_clock(name: str) -> None:
    """All kinds of tickets, on every day on which anything changes: what the loader concludes from pairs."""
    it = loaded(name)
    days = {day for one in it.law.limits for day in (one.since, one.until) if day is not None}
    kinds = [
        (intent.id, kind.id, urgency.id)
        for intent in it.intents
        for kind in it.handling_classes
        for urgency in it.urgencies
    ]
    for day in days:
        limits = it.law.on(day).limits
        for intent, kind, urgency in kinds:
            clocks = [(one.clock, one.starts) for one in limits if one.applies.covers(intent, kind, urgency)]
            assert len(clocks) == len(set(clocks)), (day, intent, kind, urgency)


def test_a_law_of_one_day_has_the_keys_of_the_file() -> None:
    assert set(Law.model_fields) == set(LawOverTime.model_fields)
    one_day = loaded("yazhou").law.on(date(2026, 1, 1))
    for key in Law.model_fields:
        value = getattr(one_day, key)
        if key in LISTS:
            assert isinstance(value, tuple), key
        elif key not in PLAIN:
            assert value is None or isinstance(value, Provision), key
