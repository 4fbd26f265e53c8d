"""`server.py ticket ...`: what people do with tickets, from the command line, on the real database.

Whoever acts says who they are (--as, --role, --unit); what they may not do is refused here as it is on the desk.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from routing.centre import Centre
from routing.command_line import Work, actor_of, add_actor, at_the_centre, ticket_named
from routing.dispatching import verbs as dispatching
from routing.life import given, intake, lists, recalculation
from routing.life.changing import check_actor
from routing.life.diagram import as_markdown
from routing.life.errors import BadValue
from routing.life.states import PERSONS, STATE_NAMES, TASK_STATE_NAMES, possible
from routing.life.tables import Clock, Task
from routing.life.verbs import SET_FIELD, VERBS, Verb
from routing.secrecy.view import standings, view
from routing.storage import Ticket
from routing.watch.work import unit_work

if TYPE_CHECKING:
    from settings import Settings


def add_actions(ticket: argparse.ArgumentParser) -> None:
    """Add the actions of `ticket`; the parsed arguments then have `handler`, (args, settings) -> exit code."""
    actions = ticket.add_subparsers(required=True, metavar="ACTION")

    show = actions.add_parser("show", help="a ticket with its tasks, clocks and history, as this person may see it")
    show.add_argument("ticket", help="id or serial number")
    _who(show)
    show.set_defaults(handler=at_the_centre(_show))

    listed = actions.add_parser("list", help="tickets of the centre, or of the person's unit, the most urgent first")
    listed.add_argument("--state", action="append", default=[], help="only in this state; may be given several times")
    listed.add_argument("--limit", type=int, default=50, help="so many at most (default: 50)")
    _who(listed)
    listed.set_defaults(handler=at_the_centre(_list))

    opened = actions.add_parser("open", help="a ticket that no call opened: a letter, a message")
    opened.add_argument("--channel", required=True, help="by what it came, in the document's words")
    opened.add_argument("--external-id", default="", help="its id on the platform above, where it came from there")
    opened.add_argument("--anonymous", action="store_true", help="the caller gives no name")
    flag, how = SET_FIELD
    opened.add_argument(flag, **how)
    _who(opened)
    opened.set_defaults(handler=at_the_centre(_open))

    anew = actions.add_parser("recalculate", help="bring open limits to the calendar that config/calendars/ has now")
    anew.add_argument("--json", action="store_true", help="as JSON")
    anew.set_defaults(handler=at_the_centre(_recalculate))

    states = actions.add_parser("states", help="the tables of states, as docs/ticket-states.md holds them")
    states.set_defaults(handler=_states)

    for verb in (*VERBS, *dispatching.VERBS):
        parser = actions.add_parser(verb.name, help=verb.help)
        parser.add_argument("ticket", help="id or serial number")
        for flag, how in verb.options:
            parser.add_argument(flag, **how)
        parser.add_argument("--version", type=int, default=None, help="the version you have seen (default: the newest)")
        _who(parser)
        parser.set_defaults(handler=at_the_centre(_act(verb)))


def _who(parser: argparse.ArgumentParser) -> None:
    add_actor(parser, PERSONS)
    parser.add_argument("--json", action="store_true", help="as JSON")


def _states(arguments: argparse.Namespace, settings: Settings) -> int:
    print(as_markdown(), end="")
    return 0


def _act(verb: Verb) -> Work:
    async def work(centre: Centre, arguments: argparse.Namespace) -> None:
        ticket = await ticket_named(centre, arguments.ticket)
        version = ticket.version if arguments.version is None else arguments.version
        done = await verb.do(centre, ticket, version, actor_of(arguments), arguments)
        _print_row(centre, done, arguments)

    return work


async def _open(centre: Centre, arguments: argparse.Namespace) -> None:
    made = await intake.open_ticket(
        centre,
        actor_of(arguments),
        channel=arguments.channel,
        values=dict(arguments.set_field),
        external_id=arguments.external_id,
        anonymous=arguments.anonymous,
    )
    _print_row(centre, made, arguments)


async def _list(centre: Centre, arguments: argparse.Namespace) -> None:
    actor = actor_of(arguments)
    check_actor(actor, centre.jurisdiction)
    if not 1 <= arguments.limit <= 1000:
        raise BadValue("最多列出 1000 张", rule="YZ-8", field="limit")
    for state in arguments.state:
        given.one_of("state", state, STATE_NAMES, rule="YZ-8", what="状态")
    if actor.unit:
        tickets = await _of_unit(centre, actor.unit, arguments.state, arguments.limit)
    else:
        wanted = arguments.state or [state for state in STATE_NAMES if state not in _LEFT_OUT]
        tickets = await lists.of_centre(centre, states=wanted, limit=arguments.limit)
    async with centre.db.session() as session:
        seen = [ticket for ticket, standing in await standings(session, tickets, actor) if standing != "none"]
    if arguments.json:
        print(json.dumps([_row(centre, ticket) for ticket in seen], ensure_ascii=False, indent=2))
        return
    for ticket in seen:
        print(_line(centre, ticket))
    if not seen:
        print("没有工单")


async def _of_unit(centre: Centre, unit: str, states: list[str], limit: int) -> list[Ticket]:
    work = await unit_work(centre, unit, limit=limit)
    async with centre.db.session() as session:
        found = await session.scalars(select(Ticket).where(Ticket.id.in_([one.ticket_id for one in work])))
        tickets = {ticket.id: ticket for ticket in found}
    return [tickets[one.ticket_id] for one in work if not states or tickets[one.ticket_id].state in states]


_LEFT_OUT = ("archived", "merged", "refused", "referred", "answered")
"""States that a list shows only when they are asked for."""


async def _show(centre: Centre, arguments: argparse.Namespace) -> None:
    actor = actor_of(arguments)
    check_actor(actor, centre.jurisdiction)
    ticket = await ticket_named(centre, arguments.ticket)
    seen = await view(centre, ticket.id, actor)
    async with centre.db.session() as session:
        tasks = list(await session.scalars(select(Task).where(Task.ticket_id == ticket.id).order_by(Task.id)))
        clocks = list(await session.scalars(select(Clock).where(Clock.ticket_id == ticket.id).order_by(Clock.id)))
    whole = _row(centre, ticket) | {
        "fields": {name: value.text for name, value in seen.fields.items()},
        "caller_number": seen.caller_number.text,
        "result": {name: value.text for name, value in seen.result.items()},
        "tasks": [_task(centre, task) for task in tasks],
        "clocks": [_clock(centre, clock) for clock in clocks],
        "history": [
            {
                "version": made.version,
                "at": made.at.astimezone(centre.jurisdiction.zone).isoformat(timespec="seconds"),
                "actor": made.actor,
                "action": made.action,
                "field": made.field,
                "before": made.before,
                "after": made.after,
                "why": made.why,
                "rule": made.rule,
            }
            for made in seen.history
        ],
        "possible": possible(ticket.state, actor.role),
    }
    if arguments.json:
        print(json.dumps(whole, ensure_ascii=False, indent=2))
        return
    _print_whole(whole)


async def _recalculate(centre: Centre, arguments: argparse.Namespace) -> None:
    done = await recalculation.recalculate(centre)
    if arguments.json:
        told = {"tickets": done.tickets, "moved": done.moved, "beyond": list(done.beyond)}
        print(json.dumps(told | {"calendar": centre.calendar.version}, ensure_ascii=False))
        return
    print(f"日历 {centre.calendar.version}：看过 {done.tickets} 张工单，改动 {done.moved} 个期限")
    for ticket_id in done.beyond:
        print(f"超出日历，没有改动：{ticket_id}")


def _row(centre: Centre, ticket: Ticket) -> dict[str, Any]:
    zone = centre.jurisdiction.zone
    times = ("created_at", "accepted_at", "dispatched_at", "due_at", "completed_at", "called_back_at", "archived_at")
    moments = {name: getattr(ticket, name) for name in times}
    return {
        "id": ticket.id,
        "serial": ticket.serial,
        "version": ticket.version,
        "state": ticket.state,
        "state_name": STATE_NAMES.get(ticket.state, ticket.state),
        "channel": ticket.channel,
        "intent": ticket.intent,
        "urgency": ticket.urgency,
        "handling_class": ticket.handling_class,
        "matter": ticket.matter,
        "scope": ticket.scope,
        "ground": ticket.ground,
        "lead_unit": ticket.lead_unit,
        "supervised": ticket.supervised,
        "extensions": ticket.extensions,
        "redos": ticket.redos,
        "late": ticket.late,
    } | {name: at.astimezone(zone).isoformat(timespec="seconds") if at else None for name, at in moments.items()}


def _task(centre: Centre, task: Task) -> dict[str, Any]:
    return {
        "unit": task.unit,
        "unit_name": centre.jurisdiction.name_of("functional_unit", task.unit),
        "role": task.role,
        "round": task.round,
        "state": task.state,
        "state_name": TASK_STATE_NAMES.get(task.state, task.state),
        "return_locked": task.return_locked,
    }


def _clock(centre: Centre, clock: Clock) -> dict[str, Any]:
    zone = centre.jurisdiction.zone
    return {
        "number": clock.id,
        "kind": clock.kind,
        "unit": clock.unit,
        "state": clock.state,
        "started_at": clock.started_at.astimezone(zone).isoformat(timespec="seconds"),
        "due_at": clock.due_at.astimezone(zone).isoformat(timespec="seconds"),
        "rule": clock.rule,
        "article": clock.article,
    }


def _print_row(centre: Centre, ticket: Ticket, arguments: argparse.Namespace) -> None:
    if arguments.json:
        print(json.dumps(_row(centre, ticket), ensure_ascii=False))
    else:
        print(_line(centre, ticket))


def _line(centre: Centre, ticket: Ticket) -> str:
    jurisdiction = centre.jurisdiction
    parts = [
        ticket.serial,
        f"v{ticket.version}",
        STATE_NAMES.get(ticket.state, ticket.state),
        jurisdiction.name_of("intent", ticket.intent),
        jurisdiction.name_of("matter", ticket.matter),
        jurisdiction.name_of("functional_unit", ticket.lead_unit),
        f"期限 {given.local(ticket.due_at, jurisdiction)}" if ticket.due_at else "",
        "督办" if ticket.supervised else "",
    ]
    return "  ".join(part for part in parts if part)


def _print_whole(whole: dict[str, Any]) -> None:
    print(f"{whole['serial']}  v{whole['version']}  {whole['state_name']}  {whole['id']}")
    for name, value in whole["fields"].items():
        if value:
            print(f"  {name:<16} {value}")
    for task in whole["tasks"]:
        locked = "  不得再退" if task["return_locked"] else ""
        print(f"  第{task['round']}次 {task['role']:<6} {task['unit_name']}  {task['state_name']}{locked}")
    for clock in whole["clocks"]:
        who = clock["unit"] or ("诉求人" if clock["kind"] == "citizen" else "区指挥中心")
        kind, state = f"{clock['kind']:<13}", f"{clock['state']:<9}"
        print(f"  期限{clock['number']:<5} {kind} {state} {clock['due_at']}  {who}  {clock['rule']}")
    for made in whole["history"]:
        moved = f"{made['before']} → {made['after']}" if made["before"] or made["after"] else ""
        told = "  ".join(part for part in (made["field"], moved, made["why"], made["rule"]) if part)
        print(f"  {made['at']}  v{made['version']:<3} {made['actor']}  {made['action']}  {told}")
    print(f"  可以：{'、'.join(whole['possible']) or '（没有）'}")
