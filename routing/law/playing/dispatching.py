"""What cases call dispatch: to whom, by which list, again, and by which other law's limit."""

from __future__ import annotations

from routing.law.cases import CaseError
from routing.law.playing.stage import Given, Play, act, unit_of
from routing.life import dispatch
from routing.tickets import Actor


@act("派单")
async def dispatch_(play: Play, actor: Actor, given: Given) -> None:
    """To a lead unit and those that assist it."""
    ticket = await play.ticket()
    await dispatch.dispatch(
        play.centre,
        ticket.id,
        ticket.version,
        actor,
        lead=given.unit("主办"),
        assisting=given.units("协办"),
        telephoned=_telephoned(play, given),
        why=given.text("说明"),
    )


@act("重新批转")
async def redispatch(play: Play, actor: Actor, given: Given) -> None:
    """After an accepted return."""
    ticket = await play.ticket()
    await dispatch.redispatch(
        play.centre,
        ticket.id,
        ticket.version,
        actor,
        lead=given.unit("主办"),
        assisting=given.units("协办"),
        telephoned=_telephoned(play, given),
        verifies=given.yes("牵头核实"),
        why=given.text("说明"),
    )


def _telephoned(play: Play, given: Given) -> dict[str, str]:
    return {unit_of(play.jurisdiction, unit): told for unit, told in given.pairs("电话通知").items()}


@act("增加协办")
async def add_assisting(play: Play, actor: Actor, given: Given) -> None:
    """One more unit assists."""
    ticket = await play.ticket()
    await dispatch.add_assisting(
        play.centre, ticket.id, ticket.version, actor, unit=given.unit("单位"), why=given.text("说明")
    )


@act("电话通知")
async def note_phone(play: Play, actor: Actor, given: Given) -> None:
    """An emergency is dispatched by telephone as well."""
    ticket = await play.ticket()
    await dispatch.note_phone(
        play.centre, ticket.id, ticket.version, actor, unit=given.unit("单位"), told=given.text("接电话的人")
    )


@act("确定承办单位")
async def determine_unit(play: Play, actor: Actor, given: Given) -> None:
    """A dispute about who is responsible is settled."""
    ticket = await play.ticket()
    await dispatch.determine_unit(
        play.centre,
        ticket.id,
        ticket.version,
        actor,
        unit=given.unit("单位"),
        by=given.text("方式"),
        why=given.text("说明"),
    )


@act("适用其他法律的期限")
async def apply_other_law(play: Play, actor: Actor, given: Given) -> None:
    """Another law sets the limit."""
    amount = given.amount("期限")
    if amount is None:
        raise CaseError("请写明期限，例如 10个工作日")
    ticket = await play.ticket()
    await dispatch.apply_other_law(
        play.centre, ticket.id, ticket.version, actor, amount=amount, basis=given.text("依据")
    )
