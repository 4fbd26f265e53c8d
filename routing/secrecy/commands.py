"""`server.py keys` and `server.py secrecy`: the keys of what is sealed; marks, readings and releases."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routing.centre import Centre
    from settings import Settings


def add_keys(keys: argparse.ArgumentParser) -> None:
    """Add the actions of `keys`; the parsed arguments then have `handler`, (args, settings) -> exit code."""
    actions = keys.add_subparsers(required=True, metavar="ACTION")
    for name, explained in (
        ("show", "which keys there are and how much is sealed with each"),
        ("add", "draw one more key, which seals nothing yet (copy the file to all machines, then `use` it)"),
        ("reseal", "seal with the current key what is not; can be broken off and started again"),
        ("rotate", "add, use and reseal in one go, where there is one machine"),
    ):
        actions.add_parser(name, help=explained).set_defaults(handler=_keys, action=name)
    for name, explained in (("use", "seal with this key from now on"), ("drop", "take out a key that seals nothing")):
        parser = actions.add_parser(name, help=explained)
        parser.add_argument("key", help="such as k2")
        parser.set_defaults(handler=_keys, action=name)


def add_secrecy(secrecy: argparse.ArgumentParser) -> None:
    """Add the actions of `secrecy`; the parsed arguments then have `handler`."""
    from routing import command_line

    actions = secrecy.add_subparsers(required=True, metavar="ACTION")

    mark = actions.add_parser("mark", help="say what of a ticket is confidential")
    mark.add_argument("ticket", help="id or serial number")
    mark.add_argument("--identity", action="store_true", help="who called")
    mark.add_argument("--content", action="store_true", help="what it is about")
    mark.add_argument("--why", default="", help="the reason; lowering needs one")
    mark.add_argument("--category", default="", help="a kind that the law has encrypted at dispatch")
    mark.add_argument("--tracker", default="", help="who follows such a ticket")
    command_line.add_actor(mark)
    mark.set_defaults(handler=command_line.at_the_centre(_mark))

    reveal = actions.add_parser("reveal", help="read a masked field; who read it and why is written down")
    reveal.add_argument("ticket", help="id or serial number")
    reveal.add_argument("field", help="such as caller_number, callback_number, person, event, transcript, result")
    reveal.add_argument("--why", required=True, help="the reason")
    command_line.add_actor(reveal)
    reveal.set_defaults(handler=command_line.at_the_centre(_reveal))

    readings = actions.add_parser("readings", help="who read what is masked")
    readings.add_argument("--ticket", default="", help="of one ticket (id or serial number)")
    readings.add_argument("--days", type=int, default=30, help="of the last so many days (default: 30)")
    readings.add_argument("--json", action="store_true", help="as JSON")
    readings.set_defaults(handler=command_line.at_the_centre(_readings))

    ask = actions.add_parser("ask-release", help="ask for data to be taken out")
    ask.add_argument("kind", help="statistics, tickets, recordings, transcripts, knowledge or evidence")
    ask.add_argument("--scope", required=True, help="which part, as the export is told")
    ask.add_argument("--purpose", required=True, help="for whom and why")
    command_line.add_actor(ask)
    ask.set_defaults(handler=command_line.at_the_centre(_ask))

    decide = actions.add_parser("decide-release", help="approve or refuse it; by another person")
    decide.add_argument("release", type=int, help="its number")
    verdict = decide.add_mutually_exclusive_group(required=True)
    verdict.add_argument("--approve", action="store_true")
    verdict.add_argument("--refuse", action="store_true")
    decide.add_argument("--why", default="", help="the reason of a refusal")
    command_line.add_actor(decide)
    decide.set_defaults(handler=command_line.at_the_centre(_decide))

    listed = actions.add_parser("releases", help="what was asked for, the newest first")
    listed.add_argument("--json", action="store_true", help="as JSON")
    listed.set_defaults(handler=command_line.at_the_centre(_releases))


def _keys(arguments: argparse.Namespace, settings: Settings) -> int:
    import asyncio

    return asyncio.run(_with_keys(arguments, settings))


async def _with_keys(arguments: argparse.Namespace, settings: Settings) -> int:
    from routing.secrecy import resealing
    from routing.secrecy.keys import key_file
    from routing.secrecy.opening import note_keys, open_database
    from routing.storage import migrate

    await migrate(settings.database_url)
    database = await open_database(settings.database_url, key_file(settings.data_dir))
    keys = database.keys
    assert keys is not None  # noqa: S101 - open_database gives them
    try:
        match arguments.action:
            case "add" | "rotate":
                made = keys.add()
                await note_keys(database, keys)
                print(f"{made} was drawn into {keys.file}")
                if arguments.action == "rotate":
                    keys.use(made)
            case "use":
                keys.use(arguments.key)
            case "drop":
                await resealing.drop_key(database, arguments.key)
                print(f"{arguments.key} was taken out of {keys.file}")
        if arguments.action in ("reseal", "rotate"):
            done = await resealing.reseal(database, told=lambda table, rows: print(f"{table}: {rows} rows", flush=True))
            print(f"{sum(done.rows.values())} rows are sealed anew with {keys.current}")
        if arguments.action in ("show", "use"):
            counts = await resealing.sealed_with(database)
            for key in keys.ids:
                now = "seals now" if key == keys.current else ""
                print(f"{key}  {keys.fingerprint(key)}  made {keys.made(key)}  {counts[key]} texts  {now}".rstrip())
            if counts[""]:
                print(f"{counts['']} texts are not sealed; run `server.py keys reseal`")
    finally:
        await database.close()
    return 0


async def _mark(centre: Centre, arguments: argparse.Namespace) -> None:
    from routing import command_line
    from routing.secrecy.marking import set_secrecy

    ticket = await command_line.ticket_named(centre, arguments.ticket)
    marked = await set_secrecy(
        centre,
        ticket.id,
        ticket.version,
        command_line.actor_of(arguments),
        identity=arguments.identity,
        content=arguments.content,
        why=arguments.why,
        category=arguments.category,
        tracker=arguments.tracker,
    )
    print(f"{marked.serial}: identity {marked.identity_secret}, content {marked.content_secret}")


async def _reveal(centre: Centre, arguments: argparse.Namespace) -> None:
    from routing import command_line
    from routing.secrecy.reading import reveal

    ticket = await command_line.ticket_named(centre, arguments.ticket)
    print(await reveal(centre, ticket.id, arguments.field, command_line.actor_of(arguments), arguments.why))


async def _readings(centre: Centre, arguments: argparse.Namespace) -> None:
    from routing import command_line
    from routing.secrecy.reading import readings

    ticket_id = (await command_line.ticket_named(centre, arguments.ticket)).id if arguments.ticket else ""
    found = await readings(centre, ticket_id=ticket_id, since=centre.now() - timedelta(days=arguments.days))
    names = ("at", "actor", "role", "unit", "ticket_id", "field", "reason", "outcome")
    if arguments.json:
        command_line.print_json([{name: getattr(entry, name) for name in names} for entry in found])
    for entry in found if not arguments.json else []:
        print("  ".join(command_line.told(getattr(entry, name)) for name in names))


async def _ask(centre: Centre, arguments: argparse.Namespace) -> None:
    from routing import command_line
    from routing.secrecy import releases

    actor = command_line.actor_of(arguments)
    asked = await releases.ask(centre, actor, kind=arguments.kind, scope=arguments.scope, purpose=arguments.purpose)
    print(f"{asked.id}")


async def _decide(centre: Centre, arguments: argparse.Namespace) -> None:
    from routing import command_line
    from routing.secrecy import releases

    actor = command_line.actor_of(arguments)
    done = await releases.decide(centre, arguments.release, actor, approved=arguments.approve, why=arguments.why)
    until = f" until {command_line.told(done.expires_at)}" if done.expires_at else ""
    print(f"{done.id}: {done.decision}{until}")


async def _releases(centre: Centre, arguments: argparse.Namespace) -> None:
    from routing import command_line
    from routing.secrecy.releases import releases

    names = ("id", "kind", "scope", "purpose", "asked_by", "decision", "decided_by", "why", "used_by", "sha256")
    found = [{name: getattr(one, name) for name in names} for one in await releases(centre)]
    if arguments.json:
        command_line.print_json(found)
    for one in found if not arguments.json else []:
        print("  ".join(str(value) or "-" for value in one.values()))
