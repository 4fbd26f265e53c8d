"""What the commands of the rooms of routing/ have in common: the centre that they work on, and who acts."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Any

from routing.centre import Centre
from routing.jurisdiction import load
from routing.law.calendar import calendar_of
from routing.life.states import ROLE_NAMES, SAME_AS
from routing.secrecy.keys import key_file
from routing.secrecy.opening import open_database
from routing.storage import migrate
from routing.ticket_errors import TicketError
from routing.tickets import Actor
from settings import ConfigurationError, Settings

Work = Callable[[Centre, argparse.Namespace], Awaitable[None]]
Handler = Callable[[argparse.Namespace, Settings], int]


def at_the_centre(work: Work) -> Handler:
    """A command's handler: `work` on the real database; what is refused is told with code, rule and field (exit 1)."""

    def handle(arguments: argparse.Namespace, settings: Settings) -> int:
        return asyncio.run(_run(work, arguments, settings))

    return handle


def add_actor(parser: argparse.ArgumentParser) -> None:
    """The options that say who acts."""
    roles = [role for role in (*ROLE_NAMES, *SAME_AS) if role != "machine"]
    parser.add_argument("--as", dest="name", required=True, metavar="NAME", help="who acts, as the records show it")
    parser.add_argument("--role", required=True, choices=roles, metavar="ROLE", help=f"one of {', '.join(roles)}")
    parser.add_argument("--unit", default="", help="of which unit (for the roles of units)")


def actor_of(arguments: argparse.Namespace) -> Actor:
    """Who acts."""
    return Actor(arguments.name, arguments.role, arguments.unit)


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
    path = settings.jurisdiction_dir / f"{settings.hotline.jurisdiction}.yaml"
    jurisdiction = load(path)
    calendar = calendar_of(settings.config_dir / "calendars", jurisdiction)
    await migrate(settings.database_url)
    database = await open_database(settings.database_url, key_file(settings.data_dir))
    try:
        await work(Centre(database, jurisdiction, calendar), arguments)
    except TicketError as problem:
        where = ", ".join(part for part in (problem.rule, problem.field) if part)
        print(f"error: {problem.code}: {problem}{f' ({where})' if where else ''}", file=sys.stderr)
        return 1
    except OSError as problem:
        raise ConfigurationError(f"{problem.filename or path}: {problem.strerror or problem}") from problem
    finally:
        await database.close()
    return 0
