"""`server.py law`: what the law of a jurisdiction sets, asked from the command line.

Nothing here needs a running hotline or a database: the answers come from config/ and tests/law/ alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from routing.jurisdiction import Jurisdiction, load
from routing.law.calendar import calendar_of
from routing.law.cases import read_all
from routing.law.clocks import StartedClock, limits, started
from routing.law.rules import PREFIXES, Proof, as_table, coverage, proofs, values
from routing.law.rules import read as read_rules
from settings import ROOT

if TYPE_CHECKING:
    from settings import Settings


RULES = "rules.yaml"
"""The rules of the documents, in the configuration folder."""

CASES = ROOT / "tests" / "law"
"""The law cases that come with the program."""


class AskedWrongly(Exception):
    """A value on the command line that means nothing here; the message says which would."""


def add_actions(law: argparse.ArgumentParser) -> None:
    """Add the actions of `law`; the parsed arguments then have `handler`, (args, settings) -> exit code."""
    actions = law.add_subparsers(required=True, metavar="ACTION")

    clock = actions.add_parser("clock", help="the clocks that a dispatch starts")
    clock.add_argument("jurisdiction", help="name of a file in config/jurisdictions/, such as yazhou")
    clock.add_argument("--intent", required=True, help="what the caller wants: complaint or 投诉")
    clock.add_argument("--class", dest="handling_class", required=True, help="handling class: urban_management, ...")
    clock.add_argument("--urgency", required=True, help="normal, emergency, guide")
    clock.add_argument(
        "--at",
        required=True,
        metavar="TIME",
        help="when it is dispatched, with its time zone: 2026-02-13T16:00:00+08:00",
    )
    clock.add_argument("--json", action="store_true", help="only the limits, as JSON")
    clock.set_defaults(handler=_clock)

    show = actions.add_parser("show", help="one rule: its words, what the configuration says, the cases that prove it")
    show.add_argument("rule", help="a rule of the specification, such as YZ-17")
    show.set_defaults(handler=_show)

    coverage = actions.add_parser("coverage", help="which rules are proven by cases, a person's matter, or missing")
    coverage.add_argument("--json", action="store_true", help="as JSON")
    coverage.set_defaults(handler=_coverage)

    table = actions.add_parser("table", help="all rules with their proofs, as docs/law.md holds them")
    table.set_defaults(handler=_table)

    play = actions.add_parser("play", help="play law cases through, with a simulated clock and an empty database")
    play.add_argument("file", type=Path, help="a file of cases, such as tests/law/yazhou-clocks.yaml")
    play.add_argument("--case", default="", metavar="NAME", help="only the cases whose name holds these words")
    play.set_defaults(handler=_play)


def _clock(arguments: argparse.Namespace, settings: Settings) -> int:
    try:
        jurisdiction = _jurisdiction(settings, arguments.jurisdiction)
        intent = _id_of("--intent", arguments.intent, {one.id: one.name for one in jurisdiction.intents})
        handling_class = _id_of(
            "--class", arguments.handling_class, {one.id: one.name for one in jurisdiction.handling_classes}
        )
        urgency = _id_of("--urgency", arguments.urgency, {one.id: one.name for one in jurisdiction.urgencies})
        at = _time(arguments.at, jurisdiction)
    except AskedWrongly as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    calendar = calendar_of(settings.config_dir / "calendars", jurisdiction)
    clocks = started(
        jurisdiction,
        calendar,
        at=at,
        starts="dispatch",
        intent=intent,
        handling_class=handling_class,
        urgency=urgency,
    )
    if arguments.json:
        print(json.dumps({clock.kind: clock.due_at.astimezone(jurisdiction.zone).isoformat() for clock in clocks}))
        return 0
    print(f"{jurisdiction.name}  {jurisdiction.document}")
    print(f"派单 {_shown(at, jurisdiction)}  日历 {calendar.version}")
    for clock in clocks:
        print(_line(clock, jurisdiction))
    for limit in limits(jurisdiction, calendar.day_of(at), "dispatch", intent, handling_class, urgency):
        if limit.limit is None:
            print(f"  {limit.clock:<9} {'第一时间' if limit.at_once else '没有期限'}  {limit.article}：{limit.phrase}")
    if not clocks:
        print("  没有规定期限")
    return 0


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    found = next((proof for proof in _proofs(settings) if proof.rule.id == arguments.rule), None)
    if found is None:
        ids = [proof.rule.id for proof in _proofs(settings)]
        close = [one for one in ids if one.startswith(arguments.rule.split("(")[0])] or ids
        print(
            f"error: there is no rule '{arguments.rule}' in {settings.config_dir / RULES} "
            f"(there are: {', '.join(close[:12])}{', ...' if len(close) > 12 else ''})",
            file=sys.stderr,
        )
        return 2
    rule = found.rule
    jurisdiction = load(settings.jurisdiction_dir / f"{rule.jurisdiction}.yaml")
    print(f"{rule.id}  {jurisdiction.document}  {rule.article}")
    print(f"  原文    {rule.phrase}")
    print(f"  系统    {rule.summary}")
    print(f"  判断    {'软件' if rule.decided_by == 'software' else '由人：' + rule.why}")
    for where in rule.where:
        written = list(values(where, jurisdiction, rule.id))
        for one in written:
            print(f"  配置    {one}")
        if not written:
            print(f"  程序    {where}")
    for case in found.cases:
        print(f"  案例    {case.file.name}：{case.name}{'（' + case.elsewhere + '）' if case.elsewhere else ''}")
    if found.standing == "missing":
        print("  案例    缺")
    return 0


def _coverage(arguments: argparse.Namespace, settings: Settings) -> int:
    counts = coverage(_proofs(settings))
    if arguments.json:
        print(json.dumps(counts, ensure_ascii=False))
        return 0
    print(f"{'':<10} {'rules':>6} {'proven':>7} {'person':>7} {'missing':>8}")
    for name, of_one in [*counts["jurisdictions"].items(), ("all", counts)]:
        print(
            f"{name:<10} {of_one['rules']:>6} {of_one['proven']:>7} {of_one['person']:>7} {len(of_one['missing']):>8}"
        )
    if counts["missing"]:
        print(f"missing: {', '.join(counts['missing'])}")
    return 0


def _table(_: argparse.Namespace, settings: Settings) -> int:
    print(table(settings), end="")
    return 0


def table(settings: Settings) -> str:
    """docs/law.md as it must be now."""
    documents = {
        name: load(settings.jurisdiction_dir / f"{name}.yaml").document for name in dict.fromkeys(PREFIXES.values())
    }
    return as_table(_proofs(settings), documents)


def _proofs(settings: Settings) -> list[Proof]:
    return proofs(read_rules(settings.config_dir / RULES), read_all(CASES))


def _play(arguments: argparse.Namespace, settings: Settings) -> int:
    import asyncio

    from routing.law.playing.command import play_file

    return asyncio.run(play_file(arguments.file, arguments.case, settings))


def _line(clock: StartedClock, jurisdiction: Jurisdiction) -> str:
    ruling = f"（裁定 {clock.ruling}）" if clock.ruling else ""
    due = _shown(clock.due_at, jurisdiction)
    return f"  {clock.kind:<9} {due}  {clock.rule:<8} {clock.article}：{clock.phrase}{ruling}"


def _shown(moment: datetime, jurisdiction: Jurisdiction) -> str:
    return moment.astimezone(jurisdiction.zone).strftime("%Y-%m-%d %H:%M:%S")


def _jurisdiction(settings: Settings, name: str) -> Jurisdiction:
    path = settings.jurisdiction_dir / f"{name}.yaml"
    there = names(settings.jurisdiction_dir)
    if name not in there:
        raise AskedWrongly(f"there is no jurisdiction '{name}' in {path.parent} (there are: {', '.join(there)})")
    return load(path)


def names(folder: Path) -> list[str]:
    """The jurisdictions that `folder` holds."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def _id_of(option: str, given: str, there: dict[str, str]) -> str:
    if given in there:
        return given
    by_name = {name: id_ for id_, name in there.items()}
    if given in by_name:
        return by_name[given]
    known = ", ".join(f"{id_} ({name})" for id_, name in there.items())
    raise AskedWrongly(f"{option} {given}: there is no such value (there are: {known})")


def _time(given: str, jurisdiction: Jurisdiction) -> datetime:
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise AskedWrongly(
            f"--at {given}: is not a time that exists; it must be like 2026-02-13T16:00:00+08:00"
        ) from None
    if at.tzinfo is None:
        there = at.replace(tzinfo=jurisdiction.zone).isoformat()
        raise AskedWrongly(f"--at {given}: has no time zone; in {jurisdiction.name} it would be {there}")
    return at
