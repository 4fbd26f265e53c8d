"""What agents made of the machine's guesses, kept as cases for the evaluation, where the operator allows it.

Two files: `cases.yaml`, labelled calls as the evaluation reads them, and `guesses.yaml`, for each of them what the
machine had proposed, field by field. What is confidential is never kept. Numbers, names and house numbers are masked by
rules, which do not know everything that can tell who called: the files are for the owner of the data folder alone.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import select

from routing.history import MACHINE
from routing.jurisdiction import Jurisdiction
from routing.reading.persons import person_of
from routing.reading.spoken import Heard
from routing.storage import FIELDS, PROPOSED, Database, Ticket, TicketChange, Utterance
from routing.tickets import transcript_query

CASES, GUESSES = "cases.yaml", "guesses.yaml"
MOST_BYTES = 5_000_000
"""Of one file, about 5 000 calls; a full one is put aside as `.old` in place of the one before."""

_HUMAN = ("person", "callback_number")
"""Fields of which only is kept whether the guess was right."""

_DIGIT = "零〇一二三四五六七八九幺两"
_LONG_NUMBER = re.compile(rf"[{_DIGIT}0-9A-Za-z](?:[ -]?[{_DIGIT}0-9A-Za-z]){{3,}}")
"""Telephones, identity cards, plates, meters, accounts; not 两天, 三百块, 2026."""
_HOUSE_NUMBER = re.compile(rf"[{_DIGIT}十百0-9]+(?=(?:号|栋|幢|单元|室|户|楼|座|门牌))")
_TITLES = (
    "先生|女士|小姐|师傅|大爷|大妈|阿姨|阿公|阿婆|阿伯|大姐|大哥|老师|医生|老板|经理|书记|主任|村长|局长|队长|所长|校长"
)
_TITLED = re.compile(rf"[\u4e00-\u9fff](?={_TITLES})")
_NAMED = re.compile(
    r"(?<=叫)[\u4e00-\u9fff]{2,3}(?=$|[^\u4e00-\u9fff]|的|电话|手机|号码|住|他|她)|(?<=姓)[\u4e00-\u9fff]"
)
_BLANK = re.compile(r"(?<=[^\x00-\x7f]) +| +(?=[^\x00-\x7f])")


async def keep(db: Database, jurisdiction: Jurisdiction, ticket_id: str, folder: Path) -> bool:
    """Keep the case of an accepted ticket below `folder`; False where there is nothing to keep, or it may not be.

    Raises OSError.
    """
    async with db.session() as session:
        ticket = await session.get(Ticket, ticket_id)
        if ticket is None or ticket.call_id is None or _is_secret(ticket):
            return False
        said = list(await session.scalars(transcript_query(ticket.call_id)))
        query = select(TicketChange).where(TicketChange.ticket_id == ticket_id).order_by(TicketChange.id)
        lines = list(await session.scalars(query))
    if not any(one.speaker == "caller" for one in said):
        return False
    names = _names(ticket, said, jurisdiction)
    # The same ticket is the same case; without the database nobody finds the ticket.
    name = f"kept-{hashlib.sha256(ticket.id.encode()).hexdigest()[:16]}"
    case = {
        "id": name,
        "said": [{one.speaker: masked(_BLANK.sub("", one.text), names)} for one in said],
        **_labels(ticket, names),
    }
    await asyncio.to_thread(
        _append, folder, {CASES: case, GUESSES: {"id": name, "fields": _guesses(ticket, lines, names)}}
    )
    return True


def masked(text: str, names: Sequence[str] = ()) -> str:
    """`text` without long numbers, house numbers and names."""
    for known in sorted(filter(None, names), key=len, reverse=True):
        text = text.replace(known, "某" * len(known))
    text = _LONG_NUMBER.sub(_without_year, text)
    return _NAMED.sub(lambda found: "某" * len(found[0]), _TITLED.sub("某", _HOUSE_NUMBER.sub("某", text)))


def _without_year(found: re.Match[str]) -> str:
    return found[0] if re.fullmatch(r"20[0-9]{2}(?:-[0-9]{2}){0,2}", found[0]) else "某号码"


def _is_secret(ticket: Ticket) -> bool:
    return bool(ticket.identity_secret or ticket.content_secret or ticket.anonymous or ticket.restricted_to)


def _names(ticket: Ticket, said: Sequence[Utterance], jurisdiction: Jurisdiction) -> list[str]:
    """Names of people that are known here, each of two characters or more; shorter ones are known by their title."""
    heard = [Heard(one.id, "caller", one.text, one.at) for one in said]
    values = [ticket.fields["person"]["value"], *ticket.fields["person"]["words"]]
    values += [found.value for one in heard if (found := person_of([one], jurisdiction))]
    parted = [re.sub(rf"(?:{_TITLES})$", "", value.partition("（")[0].removeprefix("姓")) for value in values]
    return [name for name in parted if len(name) > 1]


def _labels(ticket: Ticket, names: Sequence[str]) -> dict[str, Any]:
    """What the agent confirmed. Times are left out: a case is counted from another day than its call."""
    labels: dict[str, Any] = {"scope": "accept"}
    if place := ticket.fields["place"]["value"]:
        labels["place"] = {"unit": ticket.territorial_unit or None, "words": masked(place, names)}
    if ticket.matter and ticket.intent:
        units = [ticket.functional_unit] if ticket.functional_unit else []
        matter = {"matter": [ticket.matter], "intent": ticket.intent, "urgency": ticket.urgency, "units": units}
        labels["matters"] = [matter]
    return labels


def _guesses(ticket: Ticket, lines: Sequence[TicketChange], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """For each field what the machine had written last, what was confirmed, and what became of the guess."""
    guessed = dict.fromkeys(FIELDS, "")
    for made in lines:
        if made.actor == MACHINE and made.action == "filled" and made.field in guessed:
            guessed[made.field] = made.after
    told: dict[str, dict[str, Any]] = {}
    for name in FIELDS:
        value, source = ticket.fields[name]["value"], ticket.fields[name]["source"]
        fate = "untouched" if source == "machine" else "accepted" if value == guessed[name] else "corrected"
        told[name] = {"fate": fate if value or not guessed[name] else "cleared"}
        if name not in _HUMAN:
            told[name] |= {"machine": masked(guessed[name], names), "agent": masked(value, names)}
        if name in PROPOSED:
            told[name] = told[name] | {"machine": guessed[name], "agent": value}
            told[name]["proposed"] = [one["id"] for one in ticket.proposals.get(name, [])]
    return told


def _append(folder: Path, entries: dict[str, dict[str, Any]]) -> None:
    """Add one entry to each of the files, and put full ones aside together. Several processes may do so at once."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _opened(folder / ".lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if any((folder / name).exists() and (folder / name).stat().st_size > MOST_BYTES for name in entries):
            for name in entries:
                if (folder / name).exists():
                    (folder / name).replace(folder / f"{name}.old")
        for name, entry in entries.items():
            with _opened(folder / name) as file:
                file.write(yaml.safe_dump([entry], allow_unicode=True, sort_keys=False, width=10_000))


def _opened(path: Path) -> Any:
    return os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "a", encoding="utf-8")
