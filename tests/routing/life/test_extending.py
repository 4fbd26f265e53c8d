"""Extensions: asked for in time, decided by the centre, twice at most, never shortening, never for emergencies."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from routing.jurisdiction import load
from routing.law.provisions import Amount
from routing.life import dispatch, extending, handling, redo, returning, reviewing
from routing.life.errors import (
    BadValue,
    IllegalTransition,
    Missing,
    NotAllowed,
    Silent,
    TooLate,
    TooLong,
    TooMany,
    Undecided,
)
from routing.life.tables import ExtensionRequest
from routing.storage import Ticket
from routing.tickets import Actor
from settings import ROOT
from tests.routing.life.conftest import (
    AGENT,
    CHINA,
    CLERK,
    MONDAY,
    OFFICE,
    OTHER_CLERK,
    ZHIFA,
    ZHUJIAN,
    Office,
)
from tests.routing.life.mixed_law import law_with
from tests.routing.life.reading import everything_of

HOURS_48 = Amount(value=48, unit="hour")
DAYS_5 = Amount(value=5, unit="working_day")


async def _ask(office: Office, ticket: Ticket, amount: Amount, actor: Actor = CLERK) -> Ticket:
    return await extending.ask_extension(
        office.centre, ticket.id, ticket.version, actor, amount=amount, reason="配件要从省外调"
    )


async def _grant(office: Office, ticket: Ticket) -> Ticket:
    return await extending.decide_extension(office.centre, ticket.id, ticket.version, OFFICE, granted=True)


async def test_two_urban_extensions_and_no_third(office: Office) -> None:
    ticket = await office.in_hand()
    for number in (1, 2):
        ticket = await _grant(office, await _ask(office, ticket, HOURS_48))
        assert (ticket.due_at, ticket.extensions) == (MONDAY + timedelta(hours=48 * (number + 1)), number)
    assert (await office.clock_of(ticket, "complete")).extended_times == 2
    before = await everything_of(office.centre.db, ticket.id)
    with pytest.raises(TooMany) as refused:
        await _ask(office, ticket, HOURS_48)
    assert (refused.value.code, refused.value.rule) == ("too_many", "YZ-19")
    assert await everything_of(office.centre.db, ticket.id) == before
    assert (await office.clock_of(ticket, "citizen")).due_at == MONDAY + timedelta(hours=48)


async def test_an_urban_extension_may_be_asked_for_until_the_limit(office: Office) -> None:
    ticket = await office.in_hand()
    office.clock.at = MONDAY + timedelta(hours=48)
    ticket = await _ask(office, ticket, HOURS_48)
    office.clock.forward(minutes=1)
    ticket = await _grant(office, ticket)
    assert ticket.due_at == MONDAY + timedelta(hours=96), "decided later, but asked for in time"
    office.clock.at = MONDAY + timedelta(hours=96, seconds=1)
    with pytest.raises(TooLate):
        await _ask(office, ticket, HOURS_48)


@pytest.mark.parametrize(("at", "in_time"), [((5, 23, 59), True), ((6, 0, 1), False)], ids=["before", "after"])
async def test_a_non_urban_extension_is_asked_for_two_working_days_before(
    at: tuple[int, int, int], in_time: bool, office: Office
) -> None:
    ticket = await office.in_hand("non_urban_management")
    assert ticket.due_at == datetime(2026, 3, 10, 0, 0, tzinfo=CHINA)
    day, hour, minute = at
    office.clock.at = datetime(2026, 3, day, hour, minute, tzinfo=CHINA)
    if in_time:
        ticket = await _grant(office, await _ask(office, ticket, DAYS_5))
        assert ticket.due_at == datetime(2026, 3, 17, 0, 0, tzinfo=CHINA)
        return
    with pytest.raises(TooLate) as refused:
        await _ask(office, ticket, DAYS_5)
    assert "2026-03-06 00:00" in str(refused.value)


@pytest.mark.parametrize(
    ("handling_class", "amount"),
    [
        ("urban_management", Amount(value=49, unit="hour")),
        ("urban_management", Amount(value=3, unit="working_day")),
        ("non_urban_management", Amount(value=6, unit="working_day")),
        ("non_urban_management", Amount(value=8, unit="calendar_day")),
    ],
    ids=lambda value: f"{value.value}{value.unit}" if isinstance(value, Amount) else value,
)
async def test_more_than_the_law_grants_is_refused(handling_class: str, amount: Amount, office: Office) -> None:
    ticket = await office.in_hand(handling_class)
    with pytest.raises(TooLong) as refused:
        await _ask(office, ticket, amount)
    assert (refused.value.rule, refused.value.field) == ("YZ-19", "amount")


async def test_a_request_is_decided_before_the_next(office: Office) -> None:
    ticket = await office.in_hand()
    ticket = await _ask(office, ticket, HOURS_48)
    with pytest.raises(Undecided):
        await _ask(office, ticket, HOURS_48)
    with pytest.raises(Missing):
        await extending.decide_extension(office.centre, ticket.id, ticket.version, OFFICE, granted=False)
    for actor in (AGENT, CLERK):
        with pytest.raises(NotAllowed):
            await extending.decide_extension(office.centre, ticket.id, ticket.version, actor, granted=True)
    ticket = await extending.decide_extension(
        office.centre, ticket.id, ticket.version, OFFICE, granted=False, why="可以当天修好"
    )
    assert (ticket.due_at, ticket.extensions) == (MONDAY + timedelta(hours=48), 0)
    with pytest.raises(IllegalTransition):
        await extending.decide_extension(office.centre, ticket.id, ticket.version, OFFICE, granted=True)
    assert (await _ask(office, ticket, HOURS_48)).version > ticket.version


async def test_emergencies_and_redos_are_not_extended(office: Office) -> None:
    ticket = await office.in_hand(urgency="emergency")
    with pytest.raises(IllegalTransition) as refused:
        await _ask(office, ticket, HOURS_48)
    assert refused.value.rule == "S13"
    ticket = await office.reviewed()
    law = office.centre.jurisdiction.law_at(office.clock.at).redo
    assert law is not None
    ticket = await redo.order_redo(
        office.centre, ticket.id, ticket.version, OFFICE, findings=law.findings, why="没有修好"
    )
    with pytest.raises(IllegalTransition) as refused:
        await _ask(office, ticket, HOURS_48)
    assert refused.value.rule == "S13"


async def test_what_is_closed_or_not_theirs_is_not_extended(office: Office) -> None:
    ticket = await office.submitted()
    with pytest.raises(IllegalTransition):
        await _ask(office, ticket, HOURS_48)
    ticket = await office.dispatched(assisting=(ZHIFA,))
    with pytest.raises(NotAllowed):
        await _ask(office, ticket, HOURS_48, OTHER_CLERK)
    with pytest.raises(NotAllowed):
        await _ask(office, ticket, HOURS_48, AGENT)


async def test_the_caller_is_told_of_an_extension(office: Office) -> None:
    ticket = await _grant(office, await _ask(office, await office.in_hand(), HOURS_48))
    ticket = await extending.tell_caller(office.centre, ticket.id, ticket.version, CLERK, what="因调配件，延期两天")
    with pytest.raises(NotAllowed):
        await extending.tell_caller(office.centre, ticket.id, ticket.version, OTHER_CLERK, what="……")


async def test_turpan_grants_thirty_working_days_in_all(open_office: Callable[..., Office]) -> None:
    office = open_office("turpan")
    unit = next(iter(office.centre.jurisdiction.units))
    clerk = Actor("马采编", "unit_clerk", unit)
    ticket = await office.dispatched("", lead=unit)
    provision = office.centre.jurisdiction.law_at(office.clock.at).extensions[0]
    decider = Actor("审批人", provision.approver)
    for days in (20, 10):
        ticket = await _ask(office, ticket, Amount(value=days, unit="working_day"), clerk)
        ticket = await extending.decide_extension(office.centre, ticket.id, ticket.version, decider, granted=True)
    with pytest.raises(TooLong) as refused:
        await _ask(office, ticket, Amount(value=1, unit="working_day"), clerk)
    assert refused.value.rule.startswith("TP-17")


async def test_where_the_document_grants_none_there_is_none(open_office: Callable[..., Office]) -> None:
    office = open_office("yangling")
    unit = next(iter(office.centre.jurisdiction.units))
    ticket = await office.dispatched("", lead=unit, intent="help")
    with pytest.raises((Silent, IllegalTransition)):
        await _ask(office, ticket, HOURS_48, Actor("杨采编", "unit_clerk", unit))


async def test_a_number_of_the_file_decides(open_office: Callable[..., Office], tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config" / "jurisdictions", tmp_path / "jurisdictions")
    file = tmp_path / "jurisdictions" / "yazhou.yaml"
    written = file.read_text(encoding="utf-8")
    assert "max_times: 2" in written
    file.write_text(written.replace("max_times: 2", "max_times: 1"), encoding="utf-8")
    office = open_office(load(file))
    ticket = await _grant(office, await _ask(office, await office.in_hand(), HOURS_48))
    with pytest.raises(TooMany):
        await _ask(office, ticket, HOURS_48)


async def test_another_law_replaces_the_limit_as_far_as_the_document_lets_it(
    open_office: Callable[..., Office],
) -> None:
    office = open_office()
    ticket = await office.in_hand("non_urban_management")
    decider = Actor("赵主任", "center_office")
    ticket = await dispatch.apply_other_law(
        office.centre,
        ticket.id,
        ticket.version,
        decider,
        amount=Amount(value=60, unit="calendar_day"),
        basis="信访条例第三十三条",
    )
    assert ticket.due_at == MONDAY + timedelta(days=60)
    assert (await office.clock_of(ticket, "complete")).article == "信访条例第三十三条"
    with pytest.raises(BadValue):
        await dispatch.apply_other_law(
            office.centre,
            ticket.id,
            ticket.version,
            decider,
            amount=Amount(value=400, unit="calendar_day"),
            basis="某法",
        )
    office = open_office("turpan")
    unit = next(iter(office.centre.jurisdiction.units))
    ticket = await office.dispatched("", lead=unit)
    with pytest.raises(TooLong):
        await dispatch.apply_other_law(
            office.centre,
            ticket.id,
            ticket.version,
            decider,
            amount=Amount(value=60, unit="working_day"),
            basis="某法第一条",
        )
    ticket = await dispatch.apply_other_law(
        office.centre,
        ticket.id,
        ticket.version,
        decider,
        amount=Amount(value=7, unit="working_day"),
        basis="某法第一条",
    )
    assert ticket.due_at == (await office.clock_of(ticket, "citizen")).due_at == datetime(2026, 3, 12, tzinfo=CHINA)
    assert ZHUJIAN not in office.centre.jurisdiction.units


async def test_a_request_is_decided_while_the_result_is_reviewed_and_needs_no_decision_afterwards(
    office: Office,
) -> None:
    centre = office.centre
    for passed in (False, True):
        ticket = await office.in_hand()
        due = ticket.due_at
        assert due is not None
        ticket = await _ask(office, ticket, HOURS_48)
        ticket = await office.submit(ticket)
        if passed:
            ticket = await reviewing.review_result(centre, ticket.id, ticket.version, OFFICE, passed=True)
        else:
            ticket = await _grant(office, ticket)
            assert (ticket.state, ticket.due_at) == ("under_review", due + timedelta(hours=48))
        async with centre.db.session() as session:
            query = select(ExtensionRequest.decision).where(ExtensionRequest.ticket_id == ticket.id)
            assert list(await session.scalars(query)) == ["withdrawn" if passed else "granted"]


async def test_a_limit_of_an_article_that_was_renumbered_is_still_the_regulations(
    open_office: Callable[..., Office],
) -> None:
    office = open_office("turpan")
    limits = office.centre.jurisdiction.law.limits
    unit = "tp.department"
    clerk = Actor("吐采编", "unit_clerk", unit)
    ticket = await office.dispatched("", lead=unit)
    ticket = await handling.sign(office.centre, ticket.id, ticket.version, clerk)
    renumbered = [
        limit.model_copy(update={"since": date(2026, 3, 3), "article": f"新{limit.article}"}) for limit in limits
    ]
    former = [limit.model_copy(update={"until": date(2026, 3, 3)}) for limit in limits]
    later = open_office(law_with("turpan", limits=(*former, *renumbered)))
    later.clock.at = MONDAY + timedelta(days=1)
    ticket = await _ask(later, ticket, Amount(value=5, unit="working_day"), clerk)
    assert ticket.state == "in_hand"


async def test_a_request_ends_with_the_task_that_made_it(office: Office) -> None:
    ticket = await office.in_hand()
    ticket = await _ask(office, ticket, HOURS_48)
    ticket = await returning.take_back(office.centre, ticket.id, ticket.version, OFFICE, why="派错了单位")
    ticket = await dispatch.redispatch(office.centre, ticket.id, ticket.version, AGENT, lead=ZHIFA)
    with pytest.raises(IllegalTransition):
        await extending.decide_extension(office.centre, ticket.id, ticket.version, OFFICE, granted=True)
    ticket = await _ask(office, ticket, HOURS_48, OTHER_CLERK)
    async with office.centre.db.session() as session:
        requests = list(await session.scalars(select(ExtensionRequest).order_by(ExtensionRequest.id)))
    assert [(one.unit, one.decision) for one in requests] == [(ZHUJIAN, "withdrawn"), (ZHIFA, "")]
