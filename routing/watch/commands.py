"""`server.py watch ...`: one round by hand, the inbox, and what people decide about proposals."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from routing.centre import Centre
from routing.command_line import Work, actor_of, add_actor, at_the_centre
from routing.life.states import PERSONS
from routing.life.tables import EscalationRecord, ViolationRecord
from routing.watch import decisions
from routing.watch.alerts import look_around
from routing.watch.findings import look_at_events
from routing.watch.inbox import acknowledge, inbox
from routing.watch.rounds import look_at_clocks
from routing.watch.tables import Notice


def add_actions(watch: argparse.ArgumentParser) -> None:
    """Add the actions of `watch`; the parsed arguments then have `handler`, (args, settings) -> exit code."""
    actions = watch.add_subparsers(required=True, metavar="ACTION")

    once = actions.add_parser("round", help="look once at all limits, and at what happened (safe beside a running one)")
    _json(once, _round)

    notices = actions.add_parser("inbox", help="the open notices of the centre, or of a unit")
    notices.add_argument("--unit", default="", help="of this unit (default: of the centre)")
    notices.add_argument("--limit", type=int, default=50, help="so many at most (default: 50)")
    _json(notices, _inbox)

    seen = actions.add_parser("acknowledge", help="take a notice out of the inbox")
    seen.add_argument("number", type=int)
    add_actor(seen, PERSONS)
    _json(seen, _acknowledge)

    _json(actions.add_parser("proposals", help="supervision and submissions that wait for a decision"), _proposals)
    for name, text in (("confirm", "carry a proposal out"), ("dismiss", "decide against a proposal")):
        decide = actions.add_parser(name, help=text)
        decide.add_argument("number", type=int)
        decide.add_argument("--why", default="", help="the reason (required to dismiss)")
        decide.add_argument("--version", type=int, default=None, help="the ticket's version that you have seen")
        add_actor(decide, PERSONS)
        _json(decide, _confirm if name == "confirm" else _dismiss)

    listed = actions.add_parser("violations", help="violations, by default those that wait for a decision")
    listed.add_argument("--unit", default=None, help="of this unit only")
    listed.add_argument("--all", action="store_true", help="also those that were decided")
    _json(listed, _violations)
    decided = actions.add_parser("violation", help="decide about a violation, or note that the unit was criticised")
    decided.add_argument("number", type=int)
    decided.add_argument("decision", choices=["confirm", "dismiss", "criticised"])
    decided.add_argument("--why", default="", help="the reason (required to dismiss)")
    add_actor(decided, PERSONS)
    _json(decided, _violation)
    noted = actions.add_parser("record", help="write down a violation that only people can see (V3 to V6)")
    noted.add_argument("violation", help="V3, V4, ...")
    noted.add_argument("--against", required=True, metavar="UNIT", help="the unit that committed it")
    noted.add_argument("--facts", required=True)
    noted.add_argument("--ticket", default=None, help="id of the ticket that it is about")
    add_actor(noted, PERSONS)
    _json(noted, _record)


def _json(parser: argparse.ArgumentParser, work: Work) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(handler=at_the_centre(work))


async def _round(centre: Centre, arguments: argparse.Namespace) -> None:
    seen = await look_at_clocks(centre)
    proposed = await look_at_events(centre)
    new = await look_around(centre)
    if arguments.json:
        print(json.dumps(asdict(seen) | {"proposed": proposed, "day": new}))
        return
    print(
        f"{seen.looked} limits looked at: {seen.warned} warned of, {seen.overdue} over; "
        f"{proposed} new proposals, {new} notices of the day"
    )


async def _inbox(centre: Centre, arguments: argparse.Namespace) -> None:
    _show([_notice(one) for one in await inbox(centre, arguments.unit, limit=arguments.limit)], arguments)


async def _acknowledge(centre: Centre, arguments: argparse.Namespace) -> None:
    _show([_notice(await acknowledge(centre, arguments.number, actor_of(arguments)))], arguments)


async def _proposals(centre: Centre, arguments: argparse.Namespace) -> None:
    _show([_proposal(one) for one in await decisions.proposals(centre)], arguments)


async def _confirm(centre: Centre, arguments: argparse.Namespace) -> None:
    ticket = await decisions.confirm_escalation(
        centre, arguments.number, arguments.version, actor_of(arguments), why=arguments.why
    )
    _show([{"ticket": ticket.serial, "version": ticket.version, "supervised": ticket.supervised}], arguments)


async def _dismiss(centre: Centre, arguments: argparse.Namespace) -> None:
    ticket = await decisions.dismiss_escalation(
        centre, arguments.number, arguments.version, actor_of(arguments), why=arguments.why
    )
    _show([{"ticket": ticket.serial, "version": ticket.version, "supervised": ticket.supervised}], arguments)


async def _violations(centre: Centre, arguments: argparse.Namespace) -> None:
    state = None if arguments.all else "proposed"
    _show([_shown(one) for one in await decisions.violations(centre, unit=arguments.unit, state=state)], arguments)


async def _violation(centre: Centre, arguments: argparse.Namespace) -> None:
    if arguments.decision == "criticised":
        record = await decisions.criticise(centre, arguments.number, actor_of(arguments))
    else:
        confirmed = arguments.decision == "confirm"
        record = await decisions.decide_violation(
            centre, arguments.number, actor_of(arguments), confirmed=confirmed, why=arguments.why
        )
    _show([_shown(record)], arguments)


async def _record(centre: Centre, arguments: argparse.Namespace) -> None:
    record = await decisions.record_violation(
        centre,
        arguments.against,
        arguments.violation,
        arguments.facts,
        actor_of(arguments),
        ticket_id=arguments.ticket,
    )
    _show([_shown(record)], arguments)


def _show(rows: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    if arguments.json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for row in rows:
        print("  ".join(str(value) for value in row.values() if value not in (None, "")))


def _notice(one: Notice) -> dict[str, Any]:
    return {
        "number": one.id,
        "at": one.at.isoformat(timespec="seconds"),
        "kind": one.kind,
        "rule": one.rule,
        "ticket_id": one.ticket_id,
        "text": one.text,
        "acknowledged_by": one.acknowledged_by,
    }


def _proposal(one: EscalationRecord) -> dict[str, Any]:
    return {
        "number": one.id,
        "at": one.at.isoformat(timespec="seconds"),
        "ticket_id": one.ticket_id,
        "trigger": one.trigger,
        "supervise": one.supervise,
        "leadership": one.leadership,
        "rule": one.rule,
    }


def _shown(one: ViolationRecord) -> dict[str, Any]:
    return {
        "number": one.id,
        "at": one.at.isoformat(timespec="seconds"),
        "unit": one.unit,
        "violation": one.violation,
        "state": one.state,
        "rule": one.rule,
        "facts": one.facts,
        "decided_by": one.decided_by,
        "why": one.why,
        "criticised_at": one.criticised_at.isoformat(timespec="seconds") if one.criticised_at else None,
    }
