"""Yazhou's file is complete, and a wrong file says where it is wrong and what would be right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from routing.jurisdiction import Jurisdiction, load
from settings import ROOT, ConfigurationError
from tests.routing.conftest import YAZHOU


def test_yazhou_has_the_members_of_article_9(yazhou: Jurisdiction) -> None:
    sizes = [len(group.units) for group in yazhou.unit_groups]
    assert sizes == [9, 1, 1, 30, 5, 2, 17, 5, 33]
    assert sum(sizes) == 103
    assert all(group.article.startswith("第九条") for group in yazhou.unit_groups)
    assert {unit.id.split(".")[0] for group in yazhou.unit_groups for unit in group.units} == {"yz"}


def test_every_village_community_and_big_community_has_a_place(yazhou: Jurisdiction) -> None:
    territorial = {unit.id for group in yazhou.unit_groups[-2:] for unit in group.units}
    assert territorial == {place.unit for place in yazhou.places if place.unit}


def test_the_catalogue_of_matters(yazhou: Jurisdiction) -> None:
    assert len(yazhou.matters) >= 150
    assert {matter.handling_class for matter in yazhou.matters} == {"urban_management", "non_urban_management"}
    assert {matter.scope for matter in yazhou.matters} == {item.id for item in yazhou.intake_scope}
    # A report is submitted to the leadership (YZ-22): only where nothing else is meant may it come first.
    first = {matter.id for matter in yazhou.matters if matter.intents[0] == "report"}
    assert first <= {"party_discipline", "public_security", "work_safety", "unlicensed_business"}


def test_names_and_ids(yazhou: Jurisdiction) -> None:
    assert yazhou.name_of("functional_unit", "yz.zhujian") == "崖州区住房和城乡建设局"
    assert yazhou.name_of("territorial_unit", "nobody") == "nobody"
    assert yazhou.name_of("intent", "help") == "求助"
    assert yazhou.name_of("urgency", "guide") == "指引类"
    assert yazhou.name_of("matter", "street_lamp") == "路灯不亮或损坏"
    assert yazhou.name_of("place", "保港") == "保港"
    assert yazhou.allows("matter", "street_lamp") and not yazhou.allows("matter", "street_lamps")
    assert yazhou.allows("event", "anything")
    assert yazhou.article_of_unit["yz.zhujian"] == "第九条（四）"
    assert yazhou.zone.key == "Asia/Shanghai"


def test_no_law_is_written_into_the_code(yazhou: Jurisdiction) -> None:
    """No unit, no matter, no place of the file is named by the code of routing."""
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "routing").glob("*.py"))
    strings = " ".join(re.findall(r'"([^"\n]*)"', code))
    names = [unit.id for unit in yazhou.units.values()] + [unit.name for unit in yazhou.units.values()]
    names += [matter.id for matter in yazhou.matters] + [place.name for place in yazhou.places if place.unit]
    assert [name for name in names if re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", strings)] == []


WRONG = [
    ("unit: yz.cun.shuinan,", "unit: yz.cun.shuinam,", r"places\[\d+\]\.unit: there is no unit 'yz\.cun\.shuinam'"),
    ("units: [yz.zhujian]", "units: [yz.zhujan]", r"matters\[\d+\]\.units\[0\]: there is no unit 'yz\.zhujan'"),
    ("units: [yz.zhujian]", "units: [sy.zhujian]", r"did you mean 'yz\.zhujian'\?"),
    ("gap: water", "gap: waters", r"matters\[\d+\]\.gap: there is no gap 'waters' \(there are: water, "),
    ("scope: YZ-11-3", "scope: YZ-11-9", r"matters\[0\]\.scope: there is no intake scope item 'YZ-11-9'"),
    ("intents: [help, complaint]", "intents: [help, complain]", r"there is no intent 'complain'"),
    ("handling_class: urban_management", "handling_class: urban", r"there is no handling class 'urban'"),
    ('line: "119"', 'line: "118"', r"there is no line '118'"),
    ('lines: ["119"]', 'lines: ["911"]', r"emergency\.hints\[0\]\.lines\[0\]: there is no line '911'"),
    ("urgency: guide,", "urgency: guided,", r"emergency\.hints\[0\]\.urgency: there is no urgency 'guided'"),
    ("- id: manhole", "- id: street_lamp", r"matters\[1\]\.id: 'street_lamp' is there twice in matters"),
    ("- {id: yz.zuzhibu,", "- {id: yz.jiwei,", r"unit_groups\[0\]\.units\[2\]\.id: 'yz\.jiwei' is there twice"),
    ("also: [水南, ", "also: [保港, ", r"places\[\d+\]\.also\[0\]: '保港' is there twice in places"),
    ("prefix: YZ", "prefix: yz", r"prefix: string should match pattern"),
    ("timezone: Asia/Shanghai", "timezone: Asia/Yazhou", r"timezone: 'Asia/Yazhou' is not a timezone such as"),
    ("id: yazhou", "id: sanya", r":14: id: 'sanya' is not the name of the file; it must be 'yazhou'"),
    ("routing_article: ", "routing_artikel: ", r"routing_artikel: this key is not known here"),
    ("kind: district", "kind: planet", r"places\[0\]\.kind: input should be"),
    ("    units: [yz.zhujian]\n", "", r"matter 'street_lamp' has nobody who handles it; give it units, a gap,"),
    ("weight: 0.5,", "weight: 5,", r"weight: input should be less than or equal to 1"),
    ("prefix: YZ", "prefix: YZ\nprefix: YZ", r":16: the key 'prefix' is there twice \(first in line 15\)"),
]


@pytest.mark.parametrize(("right", "wrong", "message"), WRONG, ids=[message for _, _, message in WRONG])
def test_a_wrong_file(right: str, wrong: str, message: str, tmp_path: Path) -> None:
    # Up to the first few matters: reading all of them for every mistake would only take longer.
    text = YAZHOU.read_text("utf-8").partition("  - id: power_supply\n")[0]
    assert right in text
    path = tmp_path / "yazhou.yaml"
    path.write_text(text.replace(right, wrong, 1), "utf-8")
    with pytest.raises(ConfigurationError, match=message) as caught:
        load(path)
    assert re.match(rf"{re.escape(str(path))}:\d+: ", str(caught.value))


def test_a_reference_is_reported_with_its_line(tmp_path: Path) -> None:
    lines = YAZHOU.read_text("utf-8").splitlines()
    number = next(number for number, line in enumerate(lines, start=1) if "unit: yz.cun.shuinan," in line)
    lines[number - 1] = lines[number - 1].replace("yz.cun.shuinan", "yz.cun.nowhere")
    path = tmp_path / "yazhou.yaml"
    path.write_text("\n".join(lines), "utf-8")
    with pytest.raises(ConfigurationError, match=rf"yazhou\.yaml:{number}: places"):
        load(path)


def test_a_missing_section(tmp_path: Path) -> None:
    tree = yaml.safe_load(YAZHOU.read_text("utf-8"))
    del tree["law"], tree["gaps"][0]["reason"]
    path = tmp_path / "yazhou.yaml"
    path.write_text(yaml.safe_dump(tree, allow_unicode=True), "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    mistakes = str(caught.value).splitlines()
    assert len(mistakes) == 2
    assert "gaps[0].reason: this key is missing" in mistakes[0]
    assert "law: this key is missing" in mistakes[1]


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="this file is missing"):
        load(tmp_path / "yazhou.yaml")
