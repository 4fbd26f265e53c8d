"""`server.py units`: the people of the units, and the roster of bureau chiefs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routing.centre import Centre


def add_actions(units: argparse.ArgumentParser) -> None:
    """Add the actions of `units`; the parsed arguments then have `handler`, (args, settings) -> exit code."""
    from routing.command_line import add_actor, at_the_centre, day, moment

    actions = units.add_subparsers(required=True, metavar="ACTION")

    people = actions.add_parser("people", help="head, deputy and clerks, of one unit or of all; as CSV or YAML")
    people.add_argument("unit", nargs="?", default="", help="id of a unit")
    people.add_argument("--format", choices=("csv", "yaml"), default="csv")
    people.set_defaults(handler=at_the_centre(_people))

    imported = actions.add_parser("import-people", help="name people from a CSV or YAML file; all or none")
    imported.add_argument("file")
    add_actor(imported)
    imported.set_defaults(handler=at_the_centre(_import_people))

    dismiss = actions.add_parser("dismiss", help="somebody leaves without a successor")
    dismiss.add_argument("unit_of_person", metavar="unit")
    dismiss.add_argument("position", help="head, deputy or clerk")
    dismiss.add_argument("person")
    dismiss.add_argument("--until", type=day, required=True, help="the first day without")
    add_actor(dismiss)
    dismiss.set_defaults(handler=at_the_centre(_dismiss))

    changes = actions.add_parser("changes", help="changes that are not reported yet, and units that are incomplete")
    changes.set_defaults(handler=at_the_centre(_changes))

    report = actions.add_parser("report", help="a change was reported to the centre")
    report.add_argument("change", type=int)
    add_actor(report)
    report.set_defaults(handler=at_the_centre(_report))

    roster = actions.add_parser("roster", help="the chiefs' roster; today's without dates; as CSV or YAML")
    roster.add_argument("--first", type=day, default=None)
    roster.add_argument("--last", type=day, default=None)
    roster.add_argument("--format", choices=("csv", "yaml"), default="csv")
    roster.set_defaults(handler=at_the_centre(_roster))

    planned = actions.add_parser("import-roster", help="plan duties from a CSV or YAML file; all or none")
    planned.add_argument("file")
    add_actor(planned)
    planned.set_defaults(handler=at_the_centre(_import_roster))

    published = actions.add_parser("publish-roster", help="mark as published, and print the text for the public")
    published.add_argument("first", type=day)
    published.add_argument("last", type=day)
    add_actor(published)
    published.set_defaults(handler=at_the_centre(_publish_roster))

    attend = actions.add_parser("attend", help="a chief came or went")
    attend.add_argument("duty", type=int)
    attend.add_argument("--arrived", type=moment, default=None)
    attend.add_argument("--left", type=moment, default=None)
    attend.add_argument("--note", default="")
    add_actor(attend)
    attend.set_defaults(handler=at_the_centre(_attend))

    matters = actions.add_parser("matters-of-the-day", help="complaints that came in today for the chiefs on duty")
    matters.set_defaults(handler=at_the_centre(_matters))


async def _people(centre: Centre, arguments: argparse.Namespace) -> None:
    from routing.people.contacts import everybody, people_of
    from routing.people.files import contacts_text

    found = await (people_of(centre, arguments.unit) if arguments.unit else everybody(centre))
    print(contacts_text(found, arguments.format), end="")


async def _import_people(centre: Centre, arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from routing.command_line import actor_of
    from routing.people.contacts import appoint
    from routing.people.files import read_contacts

    named = read_contacts(Path(arguments.file), centre.jurisdiction)
    changes = await appoint(centre, actor_of(arguments), named)
    print(f"{len(named)} people were read, {len(changes)} are new; report the changes with `units report`")


async def _dismiss(centre: Centre, arguments: argparse.Namespace) -> None:
    from routing.command_line import actor_of
    from routing.people.contacts import dismiss

    unit, position, person = arguments.unit_of_person, arguments.position, arguments.person
    change = await dismiss(centre, actor_of(arguments), unit, position, person, until=arguments.until)
    print(f"{change.id}: {change.before} {change.changed_on}")


async def _changes(centre: Centre, arguments: argparse.Namespace) -> None:
    from routing.people.contacts import POSITIONS, changes_to_report, incomplete

    for one in await changes_to_report(centre):
        change = one.change
        due = f"工作日历没有 {one.beyond} 年，请录入" if one.beyond else "没有规定期限"
        if one.due_at is not None:
            due = f"{one.due_at.astimezone(centre.jurisdiction.zone):%Y-%m-%d %H:%M}"
        who = f"{change.before or '无'} → {change.after or '无'}"
        late = "，已超期" if one.overdue else ""
        where = f"{change.unit}  {POSITIONS[change.position]}"
        print(f"{change.id}  {where}  {who}  {change.changed_on}  报备期限 {due}{late}")
    for unit in await incomplete(centre):
        print(f"{unit.unit}  {unit.missing}")


async def _report(centre: Centre, arguments: argparse.Namespace) -> None:
    from routing.command_line import actor_of
    from routing.people.contacts import report

    change = await report(centre, actor_of(arguments), arguments.change)
    print(f"{change.id}: 已报备")


async def _roster(centre: Centre, arguments: argparse.Namespace) -> None:
    from routing.people.files import roster_text
    from routing.people.roster import roster

    today = centre.calendar.day_of(centre.now())
    first = arguments.first or today
    print(roster_text(await roster(centre, first, arguments.last or max(first, today)), arguments.format), end="")


async def _import_roster(centre: Centre, arguments: argparse.Namespace) -> None:
    from pathlib import Path

    from routing.command_line import actor_of
    from routing.people.files import read_roster
    from routing.people.roster import plan

    planned = await plan(centre, actor_of(arguments), read_roster(Path(arguments.file), centre.jurisdiction))
    print(f"{len(planned)} duties are planned; publish them with `units publish-roster`")


async def _publish_roster(centre: Centre, arguments: argparse.Namespace) -> None:
    from routing.command_line import actor_of
    from routing.people.roster import publish

    print(await publish(centre, actor_of(arguments), arguments.first, arguments.last))


async def _attend(centre: Centre, arguments: argparse.Namespace) -> None:
    from routing.command_line import actor_of
    from routing.people.roster import attend

    done = await attend(
        centre,
        actor_of(arguments),
        arguments.duty,
        arrived_at=arguments.arrived,
        left_at=arguments.left,
        note=arguments.note,
    )
    print(f"{done.id}: {done.chief} {done.day}")


async def _matters(centre: Centre, arguments: argparse.Namespace) -> None:
    from routing.people.roster import matters_of_the_day, on_duty

    for duty in await on_duty(centre):
        print(f"{duty.unit}  {duty.chief}")
        for ticket in await matters_of_the_day(centre, duty):
            matter = centre.jurisdiction.name_of("matter", ticket.matter)
            print(
                f"  {ticket.serial}  {centre.jurisdiction.name_of('intent', ticket.intent)}  {matter}  {ticket.state}"
            )
