"""`server.py propose`, `callbacks`, `opinion`, `appeal`, `nuisance`, `leaders`: what people are offered and decide."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from routing.centre import Centre
from routing.command_line import Work, actor_of, add_actor, at_the_centre, moment, ticket_named
from routing.dispatching import leader_calls, nuisance, opinions
from routing.dispatching.clusters import clusters
from routing.dispatching.direct import by_list, dispatch_waiting
from routing.dispatching.direct_list import load
from routing.dispatching.merging import candidates
from routing.dispatching.opinions import applying
from routing.dispatching.proposing import for_ticket
from routing.dispatching.repeats import repetition
from routing.life import appeals, callback
from routing.life.changing import check_actor
from routing.life.errors import NotAllowed
from routing.life.states import PERSONS

_DIRECT = "direct-dispatch.yaml"
_OPINIONS = "opinions"
"""The folder of stamped files, in the data folder."""


def add_advise(advise: argparse.ArgumentParser) -> None:
    """Add what `advise` reads; the parsed arguments then have `handler`, (args, settings) -> exit code."""
    advise.add_argument("ticket", help="id or serial number")
    _add(advise, _advise, by=True)


def add_direct(direct: argparse.ArgumentParser) -> None:
    """Add what `direct` reads."""
    direct.add_argument("--limit", type=int, default=200, help="so many at most (default: 200)")
    direct.add_argument("--even-inferred", action="store_true", help="also by a list that no authority has issued")
    _add(direct, _direct)


def add_callbacks(due: argparse.ArgumentParser) -> None:
    """Add what `callbacks` reads."""
    due.add_argument("--limit", type=int, default=50, help="so many at most (default: 50)")
    _add(due, _callbacks, by=True)


def add_clusters(found: argparse.ArgumentParser) -> None:
    """Add what `clusters` reads."""
    _add(found, _clusters)


def _add(parser: argparse.ArgumentParser, work: Work, *, by: bool = False) -> None:
    if by:
        add_actor(parser, PERSONS)
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(handler=at_the_centre(work))


def add_opinion(opinion: argparse.ArgumentParser) -> None:
    """Add the actions of `opinion`."""
    actions = opinion.add_subparsers(required=True, metavar="ACTION")
    filed = actions.add_parser("file", help="file an opinion with its stamped file")
    filed.add_argument("ticket", help="id or serial number")
    filed.add_argument("--file", type=Path, required=True, help="PDF, PNG or JPG")
    filed.add_argument("--text", required=True)
    filed.add_argument("--basis", required=True, help="laws and documents that it rests on")
    filed.add_argument("--ground", action="append", default=[], help="in the document's words; may be given again")
    filed.add_argument("--signed-by", required=True)
    filed.add_argument("--signed-role", default="", help="unit_head, unit_leader")
    _add(filed, _opinion_file, by=True)
    for name, text in (("accept", "accept it"), ("reject", "reject it"), ("withdraw", "take an accepted one back")):
        decided = actions.add_parser(name, help=text)
        decided.add_argument("number", type=int)
        decided.add_argument("--why", default="")
        decided.add_argument("--for-everyone", action="store_true", help="it closes the matter whoever tells it")
        _add(decided, _opinion_decide(name), by=True)


def add_appeal(appeal: argparse.ArgumentParser) -> None:
    """Add the actions of `appeal`."""
    actions = appeal.add_subparsers(required=True, metavar="ACTION")
    filed = actions.add_parser("file", help="file an appeal for your unit")
    filed.add_argument("subject", choices=list(appeals.SUBJECTS))
    filed.add_argument("--grounds", required=True)
    filed.add_argument("--evidence", action="append", default=[], metavar="FILE", type=Path, help="may be given again")
    filed.add_argument("--ticket", default=None, help="id of the ticket that it is about")
    filed.add_argument("--violation", type=int, default=None, help="number of the violation that it is about")
    filed.add_argument("--period", default="", help="2026-11 or 2026")
    _add(filed, _appeal_file, by=True)
    for name, grant in (("grant", True), ("reject", False)):
        decided = actions.add_parser(name, help=f"{name} an appeal")
        decided.add_argument("number", type=int)
        decided.add_argument("--why", required=True)
        _add(decided, _appeal_decide(grant=grant), by=True)
    told = actions.add_parser("tell", help="note that the unit has the answer")
    told.add_argument("number", type=int)
    _add(told, _appeal_tell, by=True)
    _add(actions.add_parser("list", help="appeals that wait for the decision or the answer"), _appeal_list)


def add_nuisance(evidence: argparse.ArgumentParser) -> None:
    """Add the actions of `nuisance`."""
    actions = evidence.add_subparsers(required=True, metavar="ACTION")
    marked = actions.add_parser("mark", help="write down that a call was a nuisance")
    marked.add_argument("call")
    marked.add_argument("--kind", required=True, choices=list(nuisance.KINDS))
    marked.add_argument("--note", required=True)
    _add(marked, _nuisance_mark, by=True)
    made = actions.add_parser("package", help="put marked calls of one caller together")
    made.add_argument("calls", nargs="+")
    made.add_argument("--why", required=True)
    _add(made, _nuisance_package, by=True)
    for name, approve in (("approve", True), ("dismiss", False)):
        decided = actions.add_parser(name, help=f"{name} a package that somebody else made")
        decided.add_argument("number", type=int)
        decided.add_argument("--why", default="")
        _add(decided, _nuisance_decide(approve=approve), by=True)
    handed = actions.add_parser("hand-over", help="print an approved package and note who received it")
    handed.add_argument("number", type=int)
    handed.add_argument("--to", required=True, help="the police station and person")
    _add(handed, _nuisance_hand_over, by=True)


def add_leaders(leaders: argparse.ArgumentParser) -> None:
    """Add the actions of `leaders`."""
    actions = leaders.add_subparsers(required=True, metavar="ACTION")
    planned = actions.add_parser("plan", help="plan a session")
    planned.add_argument("--leader", required=True)
    planned.add_argument("--of-unit", required=True, help="the leader's unit")
    planned.add_argument("--from", dest="starts_at", type=moment, required=True, help="2026-03-02T09:00:00+08:00")
    planned.add_argument("--until", dest="ends_at", type=moment, required=True)
    _add(planned, _leaders_plan, by=True)


async def _advise(centre: Centre, arguments: argparse.Namespace) -> None:
    person = actor_of(arguments)
    check_actor(person, centre.jurisdiction)
    if person.unit:
        raise NotAllowed("派单建议只供区指挥中心使用", rule="YZ-8", field="role")
    ticket = await ticket_named(centre, arguments.ticket)
    found = load(arguments.config.resolve() / _DIRECT, centre.jurisdiction)
    owners = await for_ticket(centre, ticket.id)
    told: dict[str, Any] = {
        "ticket": ticket.serial,
        "owners": asdict(owners.owners),
        "verifies": [asdict(one) for one in owners.verifies],
        "direct": asdict(await by_list(centre, found, ticket.id)),
        "like": [asdict(one) for one in await candidates(centre, ticket.id)],
        "answers": asdict(await repetition(centre, ticket.id)),
        "opinions": [
            {"number": one.opinion.id, "effect": one.effect, "reasons": one.reasons}
            for one in await applying(centre, ticket.id)
        ],
    }
    if arguments.json:
        _print_json(told)
        return
    print(f"工单 {ticket.serial}")
    for owner in owners.owners.owners:
        print(f"  {'主办' if owner.role == 'lead' else '协办'}  {owner.name}  {owner.rule}  {owner.reason}")
    for one in owners.verifies:
        print(f"  牵头核实  {one.name}  {one.reason}")
    for question in owners.owners.questions:
        print(f"  待定  {question}")
    print(f"  直派  {told['direct']['unit'] or '否'}  {told['direct']['reason']}")
    for like in told["like"]:
        print(f"  相似  {like['serial']}  {like['score']}  {'；'.join(like['reasons'])}")
    print(f"  反复  {told['answers']['reason']}")
    for opinion in told["opinions"]:
        print(f"  最终意见 {opinion['number']}  {'；'.join(opinion['reasons'])}")


async def _direct(centre: Centre, arguments: argparse.Namespace) -> None:
    found = load(arguments.config.resolve() / _DIRECT, centre.jurisdiction)
    done = await dispatch_waiting(centre, found, limit=arguments.limit, even_inferred=arguments.even_inferred)
    if arguments.json:
        _print_json([{"serial": ticket.serial, "unit": ticket.lead_unit} for ticket in done])
        return
    for ticket in done:
        print(f"{ticket.serial}  {centre.jurisdiction.units[ticket.lead_unit].name}")
    print(f"直派 {len(done)} 张")


async def _callbacks(centre: Centre, arguments: argparse.Namespace) -> None:
    found = await callback.worklist(centre, actor_of(arguments), limit=arguments.limit)
    if arguments.json:
        _print_json([asdict(one) for one in found])
        return
    for one in found:
        due = one.due_at.astimezone(centre.jurisdiction.zone).strftime("%Y-%m-%d %H:%M") if one.due_at else "—"
        made = f"{one.progress.counted}/{one.progress.needed}"
        print(f"{one.serial}  {due}  {made}  {one.reason}{'' if one.now else '  本时段已打过'}")
    print(f"待回访 {len(found)} 人")


async def _clusters(centre: Centre, arguments: argparse.Namespace) -> None:
    found = await clusters(centre)
    if arguments.json:
        _print_json([asdict(one) for one in found])
        return
    for one in found:
        name = centre.jurisdiction.name_of("matter", one.matter)
        print(f"{name}  {one.place}  {one.months[0]} 至 {one.months[-1]}  {'、'.join(map(str, one.told))}  报{one.to}")
    print(f"反复事项 {len(found)} 件")


async def _opinion_file(centre: Centre, arguments: argparse.Namespace) -> None:
    ticket = await ticket_named(centre, arguments.ticket)
    said = opinions.Given(
        arguments.text, arguments.basis, arguments.ground, arguments.signed_by, arguments.signed_role, arguments.file
    )
    folder = arguments.data.resolve() / _OPINIONS
    made = await opinions.file_opinion(centre, ticket.id, ticket.version, actor_of(arguments), said, folder=folder)
    _say(arguments, {"number": made.id, "state": made.state, "sha256": made.sha256})


def _opinion_decide(name: str) -> Work:
    async def work(centre: Centre, arguments: argparse.Namespace) -> None:
        person, number = actor_of(arguments), arguments.number
        version = await opinions.version_of(centre, number)
        if name == "withdraw":
            made = await opinions.withdraw_opinion(centre, number, version, person, why=arguments.why)
        else:
            made = await opinions.review_opinion(
                centre,
                number,
                version,
                person,
                accept=name == "accept",
                for_everyone=arguments.for_everyone,
                why=arguments.why,
                folder=arguments.data.resolve() / _OPINIONS,
            )
        _say(arguments, {"number": made.id, "state": made.state})

    return work


async def _appeal_file(centre: Centre, arguments: argparse.Namespace) -> None:
    made = await appeals.file(
        centre,
        actor_of(arguments),
        arguments.subject,
        grounds=arguments.grounds,
        evidence=[appeals.evidence_of(file) for file in arguments.evidence],
        ticket_id=(await ticket_named(centre, arguments.ticket)).id if arguments.ticket else None,
        violation_id=arguments.violation,
        period=arguments.period,
    )
    _say(arguments, {"number": made.id, "period": made.period, "rule": made.rule})


def _appeal_decide(*, grant: bool) -> Work:
    async def work(centre: Centre, arguments: argparse.Namespace) -> None:
        made = await appeals.decide(centre, arguments.number, actor_of(arguments), grant=grant, why=arguments.why)
        _say(arguments, {"number": made.id, "decision": made.decision})

    return work


async def _appeal_tell(centre: Centre, arguments: argparse.Namespace) -> None:
    made = await appeals.tell(centre, arguments.number, actor_of(arguments))
    _say(arguments, {"number": made.id, "decision": made.decision, "told": True})


async def _appeal_list(centre: Centre, arguments: argparse.Namespace) -> None:
    found = [
        {"number": one.id, "subject": one.subject, "unit": one.unit, "period": one.period, "decision": one.decision}
        for one in await appeals.waiting(centre)
    ]
    if arguments.json:
        _print_json(found)
        return
    for one in found:
        print("  ".join(str(value) for value in one.values() if value))
    print(f"待办申诉 {len(found)} 件")


async def _nuisance_mark(centre: Centre, arguments: argparse.Namespace) -> None:
    made = await nuisance.mark(centre, arguments.call, actor_of(arguments), kind=arguments.kind, note=arguments.note)
    _say(arguments, {"call": made.call_id, "kind": made.kind})


async def _nuisance_package(centre: Centre, arguments: argparse.Namespace) -> None:
    made = await nuisance.make_package(centre, arguments.calls, actor_of(arguments), why=arguments.why)
    _say(arguments, {"number": made.id, "calls": len(made.calls), "sha256": made.sha256})


def _nuisance_decide(*, approve: bool) -> Work:
    async def work(centre: Centre, arguments: argparse.Namespace) -> None:
        made = await nuisance.decide_package(
            centre, arguments.number, actor_of(arguments), approve=approve, why=arguments.why
        )
        _say(arguments, {"number": made.id, "state": made.state})

    return work


async def _nuisance_hand_over(centre: Centre, arguments: argparse.Namespace) -> None:
    _print_json(await nuisance.hand_over(centre, arguments.number, actor_of(arguments), to=arguments.to))


async def _leaders_plan(centre: Centre, arguments: argparse.Namespace) -> None:
    made = await leader_calls.plan(
        centre,
        actor_of(arguments),
        leader=arguments.leader,
        unit=arguments.of_unit,
        starts_at=arguments.starts_at,
        ends_at=arguments.ends_at,
    )
    _say(arguments, {"number": made.id, "leader": made.leader, "unit": made.unit})


def _say(arguments: argparse.Namespace, told: dict[str, Any]) -> None:
    if arguments.json:
        _print_json(told)
    else:
        print("  ".join(f"{name} {value}" for name, value in told.items()))


def _print_json(told: object) -> None:
    print(json.dumps(told, ensure_ascii=False, indent=2, default=_as_text))


def _as_text(value: object) -> str:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)
