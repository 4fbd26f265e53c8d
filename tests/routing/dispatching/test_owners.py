"""Who handles what: function and place, gaps, emergencies without an owner, discipline, several returns."""

from __future__ import annotations

from datetime import date

import pytest

from routing.dispatching.owners import Facts, Owners, lead_after_returns, owners_of
from routing.jurisdiction import Jurisdiction, OutsideUnit
from tests.routing.life.conftest import jurisdiction
from tests.routing.life.mixed_law import yazhou_with

DAY = date(2026, 3, 2)


def found(law: Jurisdiction | None = None, **facts: object) -> Owners:
    given = {"intent": "complaint", "urgency": "normal"} | facts
    return owners_of(law or jurisdiction("yazhou"), Facts(**given), DAY)  # type: ignore[arg-type]


def units(owners: Owners) -> list[tuple[str, str]]:
    return [(owner.role, owner.unit) for owner in owners.owners]


@pytest.mark.parametrize(
    "place", ["盐灶村", "盐灶", "严造村口", "在盐灶小学对面"], ids=["name", "short", "sound", "detail"]
)
def test_a_functional_unit_leads_and_the_territorial_one_assists(place: str) -> None:
    owners = found(matter="street_lamp", place=place)
    assert units(owners) == [("lead", "yz.zhujian"), ("assist", "yz.cun.yanzao")]
    assert (owners.functional, owners.territorial) == ("yz.zhujian", "yz.cun.yanzao")
    lead, assisting = owners.owners
    assert (lead.rule, assisting.rule) == ("YZ-14(2)", "YZ-14(2)")
    assert "第十四条（二）" in lead.reason and "主办单位" in lead.reason
    assert "属地协办" in assisting.reason and "“盐灶村”" in assisting.reason


def test_the_territorial_unit_leads_where_the_catalogue_says_so() -> None:
    assert units(found(matter="village_affairs", place="盐灶")) == [("lead", "yz.cun.yanzao")]
    assert units(found(matter="neighbour_dispute", place="盐灶")) == [("lead", "yz.cun.yanzao"), ("assist", "yz.sifa")]


def test_without_a_place_the_agent_is_asked_for_it() -> None:
    owners = found(matter="village_affairs")
    assert owners.lead is None and "请向诉求人核实" in owners.questions[0]
    owners = found(matter="street_lamp", place="某某花园")
    assert units(owners) == [("lead", "yz.zhujian")] and owners.questions


def test_a_gap_goes_to_the_citys_platform_or_to_nobody_with_the_reason() -> None:
    (lead,) = found(matter="water_supply", place="保港").owners[:1]
    assert (lead.unit, lead.platform) == ("sy.legal_persons.06", "市12345热线平台")
    owners = found(matter="housing_fund")
    assert owners.lead is None and "公积金" in owners.questions[0]


def test_a_matter_of_a_line_names_the_line_and_nobody_slips_into_the_lead() -> None:
    owners = found(matter="fire", place="保港", urgency="guide")
    assert (owners.line, owners.lead, owners.territorial) == ("119", None, "yz.dsq.baogang")


def test_the_unit_that_the_caller_names_handles_what_is_about_it() -> None:
    assert found(matter="staff_conduct").lead is None
    owners = found(matter="staff_conduct", named=("yz.gongan", "no.such.unit"))
    assert units(owners) == [("lead", "yz.gongan")]
    assert units(found(matter="telecom", named=("yz.yidong",)))[0] == ("lead", "yz.yidong")


def test_discipline_goes_to_one_unit_which_alone_sees_it() -> None:
    (matter,) = (one.id for one in jurisdiction("yazhou").matters if "yz.jiwei" in one.units)
    for owners in (found(matter=matter, place="保港"), found(matter="street_lamp", discipline=True)):
        assert (units(owners), owners.restricted_to) == ([("lead", "yz.jiwei")], "yz.jiwei")
        assert owners.owners[0].rule == "YZ-14(5)"


def test_discipline_is_refused_where_the_document_refuses_it() -> None:
    owners = found(yazhou_with("yangling", "discipline"), matter="street_lamp", discipline=True)
    assert (owners.owners, owners.restricted_to) == ((), "")
    assert owners.ground and "不予受理" in owners.questions[0]


def test_an_emergency_without_an_owner_goes_to_the_sector_in_yazhou() -> None:
    owners = found(matter="dangerous_house", urgency="emergency", gave_back=("yz.zhujian",))
    assert owners.lead is not None
    assert (owners.lead.unit, owners.lead.rule) == ("yz.zhujian", "YZ-14(4)")
    assert "行业主管部门" in owners.lead.reason
    nobody = found(urgency="emergency", place="保港")
    assert nobody.lead is None and any("行业主管部门" in one for one in nobody.questions)


def test_an_emergency_without_an_owner_goes_to_the_territory_in_sanya() -> None:
    sanya = yazhou_with("sanya", "principles")
    law = tuple(one for one in sanya.law.principles if one.kind != "levels")
    owners = found(
        yazhou_with("sanya", principles=law),
        matter="dangerous_house",
        place="保港",
        urgency="emergency",
        gave_back=("yz.zhujian", "yz.dsq.baogang"),
    )
    assert owners.lead is not None
    assert (owners.lead.unit, owners.lead.rule) == ("yz.dsq.baogang", "SY-14(4)")


def test_sanya_sends_it_through_the_districts_centre() -> None:
    owners = found(yazhou_with("sanya", "principles"), matter="street_lamp", place="保港")
    assert units(owners) == [("lead", "yz.dsq.baogang"), ("assist", "yz.zhujian")]
    assert owners.owners[0].rule == "SY-14"


def test_yangling_puts_the_territory_first_for_complaints_only() -> None:
    law = yazhou_with("yangling", "principles")
    complaint = found(law, matter="street_lamp", place="保港")
    assert (units(complaint)[0], complaint.owners[0].rule) == (("lead", "yz.dsq.baogang"), "YL-14(2)")
    help_ = found(law, matter="street_lamp", place="保港", intent="help")
    assert (units(help_)[0], help_.owners[0].rule) == (("lead", "yz.zhujian"), "YL-14(4)")


def test_a_leaders_call_goes_to_the_leaders_unit_and_the_others_assist() -> None:
    law = yazhou_with("turpan", "leader_sessions")
    owners = found(law, matter="street_lamp", leader_unit="yz.zhifa")
    assert units(owners) == [("lead", "yz.zhifa"), ("assist", "yz.zhujian")]
    assert owners.owners[0].rule == "TP-11"


def test_whoever_gave_it_back_with_good_reason_does_not_get_it_again() -> None:
    owners = found(matter="garbage", gave_back=("yz.huanwei",))
    assert units(owners)[0] == ("lead", "yz.longteng")


def test_after_returns_by_several_units_a_lead_verifies() -> None:
    law, facts = jurisdiction("yazhou"), Facts("street_lamp", "保港", "complaint")
    assert lead_after_returns(law, facts, ["yz.zhifa", "yz.zhifa"], DAY) == ()
    named = lead_after_returns(law, facts, ["yz.zhifa", "yz.huanwei"], DAY)
    assert [one.unit for one in named] == ["yz.zhujian", "yz.zhifa", "yz.huanwei"]
    assert "已有 2 个单位退单" in named[0].reason and "主办" in named[0].reason
    assert lead_after_returns(yazhou_with("turpan", "returns"), facts, ["yz.zhifa", "yz.huanwei"], DAY) == ()


def test_every_matter_has_an_owner_or_a_question_at_every_place() -> None:
    law = jurisdiction("yazhou")
    kinds = {place.kind: place.name for place in law.places}
    places = ["", "盐灶村", *kinds.values()]
    for matter in law.matters:
        for place in places:
            for urgency in ("normal", "emergency"):
                owners = found(matter=matter.id, place=place, urgency=urgency)
                assert owners.lead is not None or owners.questions, (matter.id, place)
                leads = [owner for owner in owners.owners if owner.role == "lead"]
                assert len(leads) == (1 if owners.owners else 0)
                ids = [owner.unit for owner in owners.owners]
                assert len(ids) == len(set(ids))
                for owner in owners.owners:
                    assert owner.reason and owner.unit in law.units
                    assert bool(owner.platform) == isinstance(law.units[owner.unit], OutsideUnit)


def test_before_the_document_no_rule_is_named() -> None:
    owners = owners_of(jurisdiction("yazhou"), Facts("street_lamp", "保港", "complaint"), date(2020, 1, 1))
    assert [owner.rule for owner in owners.owners] == ["", ""]
