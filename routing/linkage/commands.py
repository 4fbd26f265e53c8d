"""`server.py linkage`: rehearse a line, look at a linkage, a month's figures."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from routing.centre import Centre
from routing.command_line import at_the_centre, print_json
from routing.jurisdiction import Jurisdiction
from routing.linkage import figures
from routing.linkage.reading import LinkageView, linkage_of, linkages
from routing.linkage.rehearsals import ECHO, rehearse
from settings import ConfigurationError, Settings

_RUNS = "start the hotline first (server.py run), with the same --config and --data"


def add_actions(linkage: argparse.ArgumentParser) -> None:
    """Add the actions of `linkage`; the parsed arguments then have `handler`, (args, settings) -> exit code."""
    actions = linkage.add_subparsers(required=True, metavar="ACTION")

    rehearse = actions.add_parser(
        "rehearse", help="have a running hotline call a line's test number; exit 1: it failed"
    )
    rehearse.add_argument("line", nargs="+", help="such as 119; several are called one after the other")
    rehearse.add_argument("--json", action="store_true", help="the results as JSON")
    rehearse.set_defaults(handler=_rehearse)

    show = actions.add_parser("show", help="one linkage with its attempts, or the latest ones")
    show.add_argument("call_id", nargs="?", help="the call's id; without it, the latest 20")
    show.add_argument("--json", action="store_true", help="as JSON")
    show.set_defaults(handler=at_the_centre(_show))

    month = actions.add_parser("figures", help="a month's figures, those with 110 apart (QH-6)")
    month.add_argument("--month", default="", metavar="YYYY-MM", help="the present one by default")
    month.add_argument("--json", action="store_true", help="as JSON")
    month.set_defaults(handler=at_the_centre(_figures))


def _rehearse(arguments: argparse.Namespace, settings: Settings) -> int:
    lines = []
    for name in dict.fromkeys(arguments.line):
        line = settings.lines.line(name)
        if line is None:
            known = ", ".join(one.line for one in settings.lines.emergency_lines) or "none"
            raise ConfigurationError(f"there is no emergency line '{name}' in lines.yaml (there are: {known})")
        lines.append(line)

    async def work(centre: Centre, arguments: argparse.Namespace) -> int:
        redis: Redis = Redis.from_url(settings.redis_url, socket_timeout=10, socket_connect_timeout=3)
        try:
            try:
                await redis.ping()
            except (RedisError, OSError) as problem:
                raise ConfigurationError(f"{settings.redis_url}: Redis is not there ({problem}); {_RUNS}") from problem
            made = [await rehearse(centre.db, redis, line, by="command-line") for line in lines]
        finally:
            await redis.aclose()
        done = [one for one in made if one is not None]
        if arguments.json:
            print_json([_rehearsal(one) for one in done])
        for one in done if not arguments.json else []:
            number = f" {one.number} by {one.trunk}" if one.number else ""
            print(f"{one.line}{number}: {one.result}{f' - {one.code}: {one.detail}' if one.code else ''}")
            if one.number == ECHO:
                print("  only our own echo was called: untested until lines.yaml gives this line a 'test'")
        return 0 if all(one.result == "connected" for one in done) else 1

    return at_the_centre(work)(arguments, settings)


async def _show(centre: Centre, arguments: argparse.Namespace) -> None:
    law = centre.jurisdiction
    if arguments.call_id:
        one = await linkage_of(centre.db, arguments.call_id)
        if one is None:
            raise ConfigurationError(f"the call '{arguments.call_id}' has no linkage, or there is no such call")
        found: list[LinkageView] = [one]
    else:
        at = centre.now()
        found = [view for view, _ in await linkages(centre.db, at - timedelta(days=3660), at, 20)]
    if arguments.json:
        print_json([_view(one, law) for one in found])
        return
    for view in found:
        row = view.row
        begun = row.asked_at.astimezone(law.zone).strftime("%Y-%m-%d %H:%M:%S")
        state = "goes on" if view.active else "ended"
        who = " ".join(part for part in (row.by or "unknown", row.who, row.via) if part)
        print(f"{row.call_id}  {begun}  {state}  asked by {who}{'  (rebuilt)' if row.rebuilt else ''}")
        for line in view.lines:
            took = "" if line.answer_seconds is None else f", answered after {line.answer_seconds:.1f} s"
            print(f"  {line.row.line}: {line.state}{took}")
            for one_attempt in line.attempts if arguments.call_id else []:
                more = f" ({one_attempt.detail})" if one_attempt.detail else ""
                print(f"    {one_attempt.attempt}. {one_attempt.number}: {one_attempt.outcome}{more}")
    if not found:
        print("no linkages")


async def _figures(centre: Centre, arguments: argparse.Namespace) -> None:
    law = centre.jurisdiction
    month = arguments.month or centre.now().astimezone(law.zone).strftime("%Y-%m")
    try:
        since, until = figures.month_of(month, law.zone)
    except ValueError:
        raise ConfigurationError(f"--month {month}: must be a month such as 2026-11") from None
    found = await figures.figures(centre.db, since, until)
    if arguments.json:
        print_json(figures.as_json(month, found))
        return
    print(f"{month}: {found.linkages} linkages, {found.with_line('110')} with 110; by {found.by or 'nobody'}")
    for line in found.lines:
        mean = "" if line.answer_seconds_mean is None else f", answered after {line.answer_seconds_mean:g} s on average"
        print(f"  {line.line}: asked {line.asked}, answered {line.answered}, exhausted {line.exhausted}{mean}")


def _rehearsal(one: Any) -> dict[str, Any]:
    names = ("line", "result", "number", "trunk", "code", "detail")
    return {name: getattr(one, name) for name in names} | {"at": one.at.isoformat()}


def _view(view: Any, law: Jurisdiction) -> dict[str, Any]:
    row = view.row
    return {
        "call_id": row.call_id,
        "ticket_id": row.ticket_id,
        "active": view.active,
        "asked_at": row.asked_at.astimezone(law.zone).isoformat(),
        "ended_at": row.ended_at.astimezone(law.zone).isoformat() if row.ended_at else None,
        "by": row.by,
        "via": row.via,
        "who": row.who,
        "voice_seconds": view.voice_seconds,
        "recording": row.recording,
        "rebuilt": row.rebuilt,
        "lines": [
            {
                "line": line.row.line,
                "state": line.state,
                "answer_seconds": line.answer_seconds,
                "attempts": [
                    {
                        name: getattr(attempt, name)
                        for name in ("attempt", "number", "trunk", "outcome", "cause", "detail")
                    }
                    for attempt in line.attempts
                ],
            }
            for line in view.lines
        ],
    }
