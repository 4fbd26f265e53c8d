"""Taking in: every ticket has its scope item or its ground; refused by a person; referred; guided; reviewed first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from routing.dispatching import merging
from routing.life import dispatch, handling, intake, returning
from routing.life.changing import THE_MACHINE
from routing.life.errors import (
    BadValue,
    IllegalTransition,
    LawError,
    Missing,
    NotAllowed,
    Silent,
    Undecided,
)
from routing.ticket_errors import BadField, TicketError
from routing.tickets import Actor, NoSuchTicket
from routing.watch.inbox import inbox
from routing.watch.work import unit_work
from tests.routing.life.conftest import AGENT, CLERK, MANAGER, OFFICE, ZHIFA, ZHUJIAN, Office
from tests.routing.life.reading import everything_of, history_of


async def test_a_report_is_accepted_after_the_caller_was_reminded(office: Office) -> None:
    ticket = await office.draft(intent="report")
    before = await everything_of(office.centre.db, ticket.id)
    with pytest.raises(BadField) as refused:
        await intake.accept_draft(office.centre, ticket.id, ticket.version, AGENT)
    assert (refused.value.rule, refused.value.field) == ("YZ-33", "truth_reminder")
    assert await everything_of(office.centre.db, ticket.id) == before
    ticket = await intake.accept_draft(office.centre, ticket.id, ticket.version, AGENT, reminded=True)
    assert ticket.truth_reminded_at == office.clock.at
    assert (ticket.scope, ticket.urgency) == ("YZ-11-6", "normal")


@pytest.mark.parametrize(
    ("values", "scope", "expected"),
    [
        ({"intent": "consult"}, "", "YZ-11-1"),
        ({"intent": "help"}, "", "YZ-11-2"),
        ({"intent": "praise"}, "", "YZ-11-7"),
        ({"intent": "complaint"}, "", "YZ-11-7"),
        ({"intent": "complaint"}, "YZ-11-4", "YZ-11-4"),
        ({"intent": "complaint", "matter": "street_lamp"}, "", "YZ-11-3"),
    ],
    ids=["consult", "help", "praise", "complaint", "given", "matter"],
)
async def test_every_ticket_has_its_scope_item(
    values: dict[str, str], scope: str, expected: str, office: Office
) -> None:
    ticket = await office.draft(**values)
    ticket = await intake.accept_draft(office.centre, ticket.id, ticket.version, AGENT, scope=scope)
    assert ticket.scope == expected


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"scope": "YZ-11-9"}, "scope"),
        ({"handling_class": "rural"}, "handling_class"),
        ({"values": {"matter": "flying_saucer"}}, "matter"),
        ({"values": {"event": "x" * 1_000_000}}, "event"),
        ({"values": {"event": "a\x1bb"}}, "event"),
        ({"values": {"colour": "red"}}, "colour"),
        ({"values": {"functional_unit": "yz.nobody"}}, "functional_unit"),
    ],
    ids=["scope", "class", "matter", "megabyte", "control", "unknown", "unit"],
)
async def test_nonsense_is_refused_and_changes_nothing(more: dict[str, object], field: str, office: Office) -> None:
    ticket = await office.draft()
    before = await everything_of(office.centre.db, ticket.id)
    with pytest.raises(BadField) as refused:
        await intake.accept_draft(office.centre, ticket.id, ticket.version, AGENT, **more)  # type: ignore[arg-type]
    assert refused.value.field == field
    assert await everything_of(office.centre.db, ticket.id) == before


async def test_a_refusal_has_its_ground_and_its_notice(office: Office) -> None:
    ticket = await office.draft(intent="complaint", place="河南郑州")
    ticket = await intake.refuse(office.centre, ticket.id, ticket.version, AGENT, ground="YZ-12-5")
    assert (ticket.state, ticket.ground, ticket.intent) == ("refused", "YZ-12-5", "complaint")
    lines = await history_of(office.centre.db, ticket.id)
    refusal, notice = lines[-2:]
    assert refusal.rule == "YZ-12(5)" and "超出崖州区管辖范围" in refusal.why
    assert notice.rule == "YZ-32" and "不属于" in notice.after
    with pytest.raises(IllegalTransition):
        await dispatch.dispatch(office.centre, ticket.id, ticket.version, AGENT, lead=ZHUJIAN)


@pytest.mark.parametrize(
    ("intent", "ground", "actor", "error"),
    [
        ("complaint", "YZ-12-9", AGENT, BadValue),
        ("complaint", "", AGENT, Missing),
        ("help", "YZ-12-5", AGENT, BadValue),
        ("complaint", "YZ-12-5", THE_MACHINE, NotAllowed),
        ("complaint", "YZ-12-5", CLERK, NotAllowed),
    ],
    ids=["unknown", "none", "help-out-of-area", "machine", "unit"],
)
async def test_nobody_is_refused_otherwise(
    intent: str, ground: str, actor: Actor, error: type[LawError], office: Office
) -> None:
    ticket = await office.draft(intent=intent)
    before = await everything_of(office.centre.db, ticket.id)
    with pytest.raises(error):
        await intake.refuse(office.centre, ticket.id, ticket.version, actor, ground=ground)
    assert await everything_of(office.centre.db, ticket.id) == before


async def test_a_consult_is_answered_on_the_spot_and_a_complaint_is_not(office: Office) -> None:
    ticket = await office.draft(intent="consult")
    with pytest.raises(Missing):
        await intake.answer_on_the_spot(office.centre, ticket.id, ticket.version, AGENT, answer=" ")
    ticket = await intake.answer_on_the_spot(office.centre, ticket.id, ticket.version, AGENT, answer="工作日八点半上班")
    assert (ticket.state, ticket.scope, ticket.completed_at) == ("answered", "YZ-11-1", office.clock.at)
    ticket = await office.draft(intent="complaint")
    with pytest.raises(IllegalTransition) as refused:
        await intake.answer_on_the_spot(office.centre, ticket.id, ticket.version, AGENT, answer="知道了")
    assert refused.value.rule == "YZ-14(1)"


async def test_referrals(office: Office) -> None:
    centre = office.centre
    ticket = await office.draft(intent="consult")
    ticket = await intake.refer(centre, ticket.id, ticket.version, AGENT, to="directory", note="已转114")
    assert (ticket.state, ticket.ground) == ("referred", "directory")
    ticket = await office.draft(intent="help")
    with pytest.raises(BadValue):
        await intake.refer(
            centre, ticket.id, ticket.version, AGENT, to="out_of_area", note="给了当地号码", line_number="911"
        )
    ticket = await intake.refer(centre, ticket.id, ticket.version, AGENT, to="out_of_area", note="给了当地号码")
    assert ticket.ground == "out_of_area"
    for intent, to in (("complaint", "out_of_area"), ("complaint", "moon"), ("complaint", "")):
        ticket = await office.draft(intent=intent)
        with pytest.raises(LawError):
            await intake.refer(centre, ticket.id, ticket.version, AGENT, to=to, note="……")
    ticket = await office.draft(intent="report")
    ticket = await intake.refer(centre, ticket.id, ticket.version, AGENT, to="discipline", note="已转交")
    assert (ticket.state, ticket.restricted_to) == ("referred", "yz.jiwei")


async def test_a_discipline_matter_is_on_its_units_list_until_it_was_received(office: Office) -> None:
    centre, unit = office.centre, "yz.jiwei"
    clerk = Actor("纪采编", "unit_clerk", unit)
    ticket = await office.draft(intent="report")
    ticket = await intake.refer(centre, ticket.id, ticket.version, AGENT, to="discipline", note="已转交")
    (work,) = await unit_work(centre, unit)
    assert (work.ticket_id, work.state, work.due_at) == (ticket.id, "dispatched", None)
    (notice,) = await inbox(centre, unit)
    assert (notice.kind, notice.ticket_id, notice.rule) == ("discipline", ticket.id, "YZ-14(5)")
    with pytest.raises(NoSuchTicket):
        await handling.sign(centre, ticket.id, ticket.version, CLERK)
    ticket = await handling.sign(centre, ticket.id, ticket.version, clerk)
    assert (ticket.state, (await office.task_of(ticket, unit)).state) == ("referred", "completed")
    assert await unit_work(centre, unit) == []


async def test_what_is_refused_or_referred_after_a_return_has_no_limit_any_more(office: Office) -> None:
    centre = office.centre
    for end in (
        partial(intake.refuse, ground="YZ-12-6"),
        partial(intake.refer, to="discipline", note="已转交"),
        partial(merging.merge, into_id=(await office.dispatched()).id),
    ):
        ticket = await office.dispatched()
        ticket = await returning.take_back(centre, ticket.id, ticket.version, MANAGER, why="重新核对")
        ticket = await end(centre, ticket.id, ticket.version, actor=AGENT)
        assert (await office.clock_of(ticket, "citizen")).state == "cancelled"
    ticket = await merging.unmerge(centre, ticket.id, ticket.version, AGENT, why="不是一回事")
    assert (ticket.state, (await office.clock_of(ticket, "citizen")).state) == ("returned", "running")


async def test_whoever_told_the_same_is_not_left_behind_by_a_decision_about_the_whole(office: Office) -> None:
    centre = office.centre
    whole, part = await office.accepted(), await office.accepted(intent="consult")
    part = await merging.merge(centre, part.id, part.version, whole.id, AGENT)
    whole = await office.ticket(whole.id)
    for decide in (
        partial(intake.refuse, ground="YZ-12-6"),
        partial(intake.refer, to="discipline", note="已转交"),
    ):
        with pytest.raises(Undecided) as refused:
            await decide(centre, whole.id, whole.version, AGENT)
        assert (refused.value.field, part.serial in str(refused.value)) == ("parts", True)
    guided = await intake.guide(centre, whole.id, ["120"], AGENT)
    assert guided.state == "accepted"
    await merging.unmerge(centre, part.id, part.version, AGENT, why="逐一告知")
    whole = await office.ticket(whole.id)
    assert (await intake.refuse(centre, whole.id, whole.version, AGENT, ground="YZ-12-6")).state == "refused"


async def test_yangling_refuses_discipline_matters(open_office: Callable[..., Office]) -> None:
    office = open_office("yangling")
    ticket = await office.draft(intent="complaint")
    with pytest.raises(LawError):
        await intake.refer(office.centre, ticket.id, ticket.version, AGENT, to="discipline", note="……")


async def test_a_call_for_rescue_leaves_its_ticket_whatever_state_it_is_in(office: Office) -> None:
    centre = office.centre
    ticket = await office.draft(intent="", event="")
    ticket = await intake.guide(centre, ticket.id, ["119"], THE_MACHINE)
    assert (ticket.state, ticket.urgency, ticket.ground) == ("referred", "guide", "119")
    ticket = await intake.guide(centre, ticket.id, ["120", "119", "110"], AGENT, note="有人受伤")
    assert ticket.ground == "119 120 110"
    for lines in ([], ["911"]):
        with pytest.raises(LawError):
            await intake.guide(centre, ticket.id, lines, AGENT)
    with_unit = await office.dispatched()
    after = await intake.guide(centre, with_unit.id, ["120"], AGENT)
    assert (after.state, after.version) == ("dispatched", with_unit.version + 1)


async def test_yangling_reviews_a_complaint_before_it_is_dispatched(open_office: Callable[..., Office]) -> None:
    office = open_office("yangling")
    centre, unit = office.centre, next(iter(office.centre.jurisdiction.units))
    law = centre.jurisdiction.law_at(office.clock.at).pre_review
    assert law is not None
    reviewer = Actor("主办", law.reviewer)
    ticket = await office.accepted("", intent="complaint")
    with pytest.raises(Undecided) as refused:
        await dispatch.dispatch(centre, ticket.id, ticket.version, AGENT, lead=unit)
    assert refused.value.rule == "YL-14(2)"
    ticket = await intake.submit_for_pre_review(centre, ticket.id, ticket.version, AGENT, opinion="建议由该单位办理")
    other = MANAGER if law.reviewer != "shift_manager" else OFFICE
    with pytest.raises(NotAllowed):
        await intake.decide_first_opinion(centre, ticket.id, ticket.version, other, agreed=True)
    with pytest.raises(Missing):
        await intake.decide_first_opinion(centre, ticket.id, ticket.version, reviewer, agreed=False)
    ticket = await intake.decide_first_opinion(centre, ticket.id, ticket.version, reviewer, agreed=True)
    ticket = await intake.classify(
        centre, ticket.id, ticket.version, AGENT, values={"event": "另有情况"}, scope=ticket.scope, why="来电补充"
    )
    with pytest.raises(Undecided):
        await dispatch.dispatch(centre, ticket.id, ticket.version, AGENT, lead=unit)
    ticket = await intake.submit_for_pre_review(centre, ticket.id, ticket.version, AGENT, opinion="补充后再审")
    ticket = await intake.decide_first_opinion(centre, ticket.id, ticket.version, reviewer, agreed=True)
    assert (await dispatch.dispatch(centre, ticket.id, ticket.version, AGENT, lead=unit)).state == "dispatched"


async def test_yangling_reviews_what_became_a_complaint_after_its_dispatch(open_office: Callable[..., Office]) -> None:
    office = open_office("yangling")
    centre, unit = office.centre, next(iter(office.centre.jurisdiction.units))
    law = centre.jurisdiction.law_at(office.clock.at).pre_review
    assert law is not None
    ticket = await office.dispatched("", lead=unit, intent="consult")
    ticket = await returning.take_back(centre, ticket.id, ticket.version, MANAGER, why="重新核对")
    ticket = await intake.classify(
        centre, ticket.id, ticket.version, AGENT, values={"intent": "complaint"}, scope="YL-11-3", why="实为投诉"
    )
    with pytest.raises(Undecided) as refused:
        await dispatch.redispatch(centre, ticket.id, ticket.version, AGENT, lead=unit)
    assert refused.value.rule == "YL-14(2)"
    ticket = await intake.submit_for_pre_review(centre, ticket.id, ticket.version, AGENT, opinion="实为投诉")
    ticket = await intake.decide_first_opinion(
        centre, ticket.id, ticket.version, Actor("主办", law.reviewer), agreed=True
    )
    assert ticket.state == "returned"
    assert (await dispatch.redispatch(centre, ticket.id, ticket.version, AGENT, lead=unit)).state == "dispatched"


async def test_yazhou_has_no_such_review(office: Office) -> None:
    ticket = await office.accepted()
    with pytest.raises(Silent):
        await intake.submit_for_pre_review(office.centre, ticket.id, ticket.version, AGENT, opinion="……")


async def test_what_is_missing_holds_up_the_dispatch(office: Office) -> None:
    centre = office.centre
    ticket = await office.accepted("")
    with pytest.raises(Missing) as refused:
        await dispatch.dispatch(centre, ticket.id, ticket.version, AGENT, lead=ZHUJIAN)
    assert refused.value.field == "handling_class"
    ticket = await intake.classify(
        centre, ticket.id, ticket.version, AGENT, handling_class="non_urban_management", why="不属于城区管理"
    )
    for units, error in (
        (("yz.nobody", ()), BadValue),
        (("", ()), Missing),
        ((ZHUJIAN, (ZHUJIAN,)), BadValue),
        ((ZHUJIAN, (ZHIFA, "yz.nobody")), BadValue),
    ):
        with pytest.raises(error):
            await dispatch.dispatch(centre, ticket.id, ticket.version, AGENT, lead=units[0], assisting=units[1])
    assert (await office.ticket(ticket.id)).version == ticket.version
    ticket = await dispatch.dispatch(centre, ticket.id, ticket.version, AGENT, lead=ZHUJIAN, assisting=(ZHIFA,))
    assert ticket.lead_unit == ZHUJIAN


async def test_the_machine_dispatches_by_the_direct_list_only_and_never_an_emergency(office: Office) -> None:
    ticket = await office.accepted()
    with pytest.raises(NotAllowed):
        await dispatch.dispatch(office.centre, ticket.id, ticket.version, THE_MACHINE, lead=ZHUJIAN)
    ticket = await dispatch.dispatch(office.centre, ticket.id, ticket.version, THE_MACHINE, lead=ZHUJIAN, direct=True)
    assert ticket.direct
    urgent = await office.accepted(urgency="emergency")
    with pytest.raises(IllegalTransition):
        await dispatch.dispatch(office.centre, urgent.id, urgent.version, THE_MACHINE, lead=ZHUJIAN, direct=True)


async def test_tickets_that_no_call_opened(office: Office) -> None:
    centre = office.centre
    made = await intake.open_ticket(
        centre, AGENT, channel="微信", values={"event": "占道"}, external_id="SY-1", anonymous=True
    )
    assert (made.state, made.channel, made.external_id, made.anonymous) == ("draft", "微信", "SY-1", True)
    for actor, channel, values in (
        (AGENT, "烟雾信号", {}),
        (CLERK, "信函", {}),
        (AGENT, "信函", {"event": "a\x00"}),
    ):
        with pytest.raises(TicketError):
            await intake.open_ticket(centre, actor, channel=channel, values=values)


async def test_an_id_of_the_platform_above_belongs_to_one_ticket(office: Office) -> None:
    centre = office.centre
    first = await intake.open_ticket(centre, AGENT, channel="信函", external_id="SY-1")
    with pytest.raises(BadValue) as refused:
        await intake.open_ticket(centre, AGENT, channel="信函", external_id="SY-1")
    assert first.serial in str(refused.value) and refused.value.field == "external_id"
    second = await office.accepted()
    with pytest.raises(BadValue):
        await intake.note_external_id(centre, second.id, second.version, AGENT, "SY-1")
    second = await intake.note_external_id(centre, second.id, second.version, AGENT, "SY-2")
    assert second.external_id == "SY-2"
