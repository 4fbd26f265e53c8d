"""What the commands of the rooms of routing/ have in common: the centre that they work on, and who acts."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from typing import Any

from routing.centre import Centre
from routing.jurisdiction import load
from routing.law.calendar import calendar_of
from routing.life.lists import find
from routing.life.states import ROLE_NAMES, SAME_AS
from routing.secrecy.keys import key_file
from routing.secrecy.opening import open_database
from routing.storage import Ticket, migrate
from routing.ticket_errors import NoSuchTicket, TicketError
from routing.tickets import Actor
from settings import ConfigurationError, Settings

Work = Callable[[Centre, argparse.Namespace], Awaitable[int | None]]
"""What a command does; an exit code other than 0 is returned."""
Handler = Callable[[argparse.Namespace, Settings], int]

EVERYBODY = tuple(role for role in ROLE_NAMES if role != "machine")
"""Everybody who can act from a command line."""


def at_the_centre(work: Work) -> Handler:
    """A command's handler: `work` on the real database; what is refused is told with code, rule and field (exit 1).

    With --json the refusal is told as JSON too, on stdout.
    """

    def handle(arguments: argparse.Namespace, settings: Settings) -> int:
        return asyncio.run(_run(work, arguments, settings))

    return handle


def add_actor(parser: argparse.ArgumentParser, roles: Sequence[str] = EVERYBODY) -> None:
    """The options that say who acts: somebody with one of `roles`, in the law's names or the desk's."""
    roles = [*roles, *SAME_AS]
    parser.add_argument("--as", dest="name", required=True, metavar="NAME", help="who acts, as the records show it")
    parser.add_argument("--role", required=True, choices=roles, metavar="ROLE", help=f"one of {', '.join(roles)}")
    parser.add_argument("--unit", default="", help="of which unit (for the roles of units)")


def actor_of(arguments: argparse.Namespace) -> Actor:
    """Who acts."""
    return Actor(arguments.name, arguments.role, arguments.unit)


async def ticket_named(centre: Centre, id_or_serial: str) -> Ticket:
    """The ticket that a command line names. Raises NoSuchTicket."""
    found = await find(centre, id_or_serial)
    if found is None:
        raise NoSuchTicket(f"没有编号为 {id_or_serial[:60]} 的工单", field="ticket")
    return found


def day(text: str) -> date:
    """A date of the command line. Raises ArgumentTypeError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a date such as 2026-11-23") from None


def moment(text: str) -> datetime:
    """A time of the command line. Raises ArgumentTypeError for one without a zone."""
    wrong = argparse.ArgumentTypeError(f"'{text}' is not a time with a zone such as 2026-11-23T09:00:00+08:00")
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise wrong from None
    if at.tzinfo is None:
        raise wrong
    return at


def told(value: Any) -> str:
    """A value for JSON: times and dates in ISO 8601."""
    return value.isoformat() if isinstance(value, datetime | date) else str(value)


def print_json(value: Any) -> None:
    """`value` as JSON on stdout."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=told))


async def _run(work: Work, arguments: argparse.Namespace, settings: Settings) -> int:
    jurisdiction = load(settings.jurisdiction_dir / f"{settings.hotline.jurisdiction}.yaml")
    calendar = calendar_of(settings.config_dir / "calendars", jurisdiction)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    await migrate(settings.database_url)
    database = await open_database(settings.database_url, key_file(settings.data_dir))
    try:
        return await work(Centre(database, jurisdiction, calendar), arguments) or 0
    except TicketError as problem:
        _tell(problem, as_json=getattr(arguments, "json", False))
        return 1
    except OSError as problem:
        where = f"{problem.filename}: " if problem.filename else ""
        raise ConfigurationError(f"{where}{problem.strerror or problem}") from problem
    finally:
        await database.close()


def _tell(problem: TicketError, *, as_json: bool) -> None:
    if as_json:
        parts = {"code": problem.code, "rule": problem.rule, "field": problem.field, "message": str(problem)}
        print(json.dumps({"error": parts}, ensure_ascii=False))
        return
    where = "，".join(part for part in (problem.rule, problem.field) if part)
    print(f"error: {problem.code}: {problem}{f'（{where}）' if where else ''}", file=sys.stderr)
