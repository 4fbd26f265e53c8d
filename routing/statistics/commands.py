"""`server.py statistics ...`: a period's figures, the places of units and towns, and the files that leave the house."""

from __future__ import annotations

import argparse
import json
import unicodedata
from pathlib import Path

from routing.centre import Centre
from routing.command_line import actor_of, add_actor, at_the_centre
from routing.life.states import PERSONS
from routing.statistics.export import export
from routing.statistics.periods import BadPeriod, Period, containing, parsed
from routing.statistics.report import Table, broken_down, ranking, rows_as_text, whole


def add_actions(statistics: argparse.ArgumentParser) -> None:
    """Add the actions of `statistics`; the parsed arguments then have `handler`, (args, settings) -> exit code."""
    actions = statistics.add_subparsers(required=True, metavar="ACTION")

    figures = actions.add_parser("figures", help="the figures of a period")
    figures.add_argument("--by", choices=["unit", "town", "matter"], default=None, help="apart for each")
    _period(figures)
    figures.set_defaults(handler=at_the_centre(_figures))

    places = actions.add_parser("ranking", help="the assessment's indicators and places")
    places.add_argument("--of", choices=["unit", "town"], default="unit", help="of units (default) or towns")
    _period(places)
    places.set_defaults(handler=at_the_centre(_ranking))

    leaving = actions.add_parser("export", help="the whole report as a file (.xlsx or .csv)")
    leaving.add_argument("file", type=_export_file, help="where to; its ending decides the format")
    leaving.add_argument("--release", type=int, default=None, help="number of the approval, where one is needed")
    _period(leaving)
    add_actor(leaving, PERSONS)
    leaving.set_defaults(handler=at_the_centre(_export))


def _period(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--period", type=_as_period, default=None, help="2026-11, 2026 or 2026-W47 (default: this month)"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")


def _as_period(text: str) -> Period:
    try:
        return parsed(text)
    except BadPeriod as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem


def _export_file(text: str) -> Path:
    if not text.endswith((".xlsx", ".csv")):
        raise argparse.ArgumentTypeError(f"'{text}' must end in .xlsx or .csv")
    return Path(text)


def _given(centre: Centre, arguments: argparse.Namespace) -> Period:
    period: Period | None = arguments.period
    return period or containing(centre.calendar.day_of(centre.now()), "month")


async def _figures(centre: Centre, arguments: argparse.Namespace) -> None:
    period = _given(centre, arguments)
    table = await (broken_down(centre, period, arguments.by) if arguments.by else whole(centre, period))
    _show(table, period, arguments)


async def _ranking(centre: Centre, arguments: argparse.Namespace) -> None:
    period = _given(centre, arguments)
    _show(await ranking(centre, period, of=arguments.of), period, arguments)


async def _export(centre: Centre, arguments: argparse.Namespace) -> None:
    period = _given(centre, arguments)
    file: Path = arguments.file
    content = await export(
        centre,
        period,
        actor_of(arguments),
        file_format="xlsx" if file.suffix == ".xlsx" else "csv",
        release_id=arguments.release,
    )
    file.write_bytes(content)
    print(json.dumps({"file": str(file), "bytes": len(content)}) if arguments.json else f"{file}: {len(content)} bytes")


def _show(table: Table, period: Period, arguments: argparse.Namespace) -> None:
    names = [column.name for column in table.columns]
    if arguments.json:
        rows = [dict(zip(names, row, strict=True)) for row in table.rows]
        print(json.dumps({"period": period.name, "table": table.name, "rows": rows}, ensure_ascii=False, indent=2))
        return
    lines = [names, *rows_as_text(table)]
    widths = [max(_width(line[at]) for line in lines) for at in range(len(names))]
    print(f"{table.name}  {period.name}")
    for line in lines:
        print("  ".join(text + " " * (width - _width(text)) for text, width in zip(line, widths, strict=True)).rstrip())


def _width(text: str) -> int:
    """Columns of a terminal: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)
