"""What an agent reads out to a line, and what a station is sent: where, which number, what happened, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from routing.jurisdiction import Jurisdiction
from routing.storage import Call, Ticket, Utterance

_LONGEST_WORDS = 60
_SENTENCES = 2
_GAP = "[unk]"


@dataclass(frozen=True)
class ReadOut:
    """`address`: empty while nobody has said it; `callback_number`: empty when it was withheld and not said.

    `person` is who called, as far as they have said it.
    """

    address: str
    callback_number: str
    sentence: str
    person: str


def read_out(call: Call, ticket: Ticket | None, said: Sequence[Utterance], law: Jurisdiction) -> ReadOut:
    """From the ticket as far as it is filled; before that, from the caller's latest words in `said`."""
    values = {name: field["value"] for name, field in ticket.fields.items()} if ticket else {}
    address = values.get("place", "")
    number = values.get("callback_number", "") or call.caller_number
    event = values.get("event", "") or _latest_words(said) or _named_matter(values, law)
    person = values.get("person", "")
    parts = [
        part
        for part in (
            "" if address and address in event else address or "地点还不清楚",
            event or "情况还不清楚",
            f"来电人{person}" if person else "",
            f"电话{number}" if number else "来电号码未显示",
        )
        if part
    ]
    return ReadOut(address, number, "，".join(parts) + "。", person)


def _latest_words(said: Sequence[Utterance]) -> str:
    latest = [one.text for one in said if one.speaker == "caller"][-_SENTENCES:]
    # The recogniser divides words by blanks, and marks what it did not understand.
    words = "，".join(text.replace(_GAP, "").replace(" ", "") for text in latest)
    return f"来电人说“{words[-_LONGEST_WORDS:]}”" if words.strip("，") else ""


def _named_matter(values: dict[str, str], law: Jurisdiction) -> str:
    matter = values.get("matter", "")
    return law.name_of("matter", matter) if matter else ""
