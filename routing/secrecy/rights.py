"""Who may see what of a ticket: one table, by how a person stands to the ticket and what is to stay secret.

YZ-26: nothing is told to people who have nothing to do with it; where the caller asked that identity or content be
confidential, only those see it who cannot act without it. Discipline matters are seen by one unit and by whoever took
them in, and exist for nobody else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from routing.life.states import UNIT_ROLES, role_of
from routing.life.tables import Task
from routing.storage import Ticket
from routing.tickets import Actor

Kind = Literal["number", "person", "content", "record"]
"""number: telephone numbers; person: who called; content: when, where, what, the wish, the result;
record: the transcript, which holds all of these."""

Sight = Literal["shown", "on_request", "hidden"]
"""on_request: masked, and read only by giving a reason, which is logged."""

Standing = Literal["taker", "centre", "handling", "discipline", "leadership", "audit", "none"]
"""taker: took it in; centre: others of the centre; handling: a unit that has a task; discipline: the unit that a
restricted ticket is for; none: it does not exist for this person."""

KIND_OF: dict[str, Kind] = {
    "caller_number": "number",
    "callback_number": "number",
    "person": "person",
    "time": "content",
    "place": "content",
    "event": "content",
    "demand": "content",
    "result": "content",
    "transcript": "record",
}
"""What can be masked. The other fields (intent, matter, units, states, times) are seen by whoever sees the ticket."""

_Row = dict[Kind, Sight]
_ALL: _Row = {"number": "shown", "person": "shown", "content": "shown", "record": "shown"}
_NOTHING: _Row = {"number": "hidden", "person": "hidden", "content": "hidden", "record": "hidden"}

SIGHTS: dict[Standing, dict[Literal["ordinary", "identity", "content"], _Row]] = {
    "taker": {"ordinary": _ALL, "identity": _ALL, "content": _ALL},
    "discipline": {"ordinary": _ALL, "identity": _ALL, "content": _ALL},
    "centre": {
        "ordinary": _ALL,
        "identity": {"number": "on_request", "person": "on_request", "content": "shown", "record": "on_request"},
        "content": {"number": "shown", "person": "shown", "content": "on_request", "record": "on_request"},
    },
    "handling": {
        "ordinary": {"number": "shown", "person": "shown", "content": "shown", "record": "hidden"},
        "identity": {"number": "hidden", "person": "hidden", "content": "shown", "record": "hidden"},
        "content": {"number": "shown", "person": "shown", "content": "on_request", "record": "hidden"},
    },
    "leadership": {
        "ordinary": {"number": "hidden", "person": "on_request", "content": "shown", "record": "hidden"},
        "identity": {"number": "hidden", "person": "hidden", "content": "shown", "record": "hidden"},
        "content": {"number": "hidden", "person": "on_request", "content": "on_request", "record": "hidden"},
    },
    "audit": {
        "ordinary": {"number": "on_request", "person": "on_request", "content": "shown", "record": "on_request"},
        "identity": {"number": "hidden", "person": "hidden", "content": "shown", "record": "hidden"},
        "content": {"number": "on_request", "person": "on_request", "content": "on_request", "record": "on_request"},
    },
    "none": {"ordinary": _NOTHING, "identity": _NOTHING, "content": _NOTHING},
}
"""Where identity and content are both confidential, the stricter of both holds for each kind."""

_STRICTNESS: dict[Sight, int] = {"shown": 0, "on_request": 1, "hidden": 2}
_CENTRE_ROLES = frozenset({"agent", "shift_manager", "center_office"})
_NO_LONGER = ("returned", "withdrawn")
"""Tasks that are no unit's duty any more: what the unit knew of the ticket it need not know again."""


def standing_of(ticket: Ticket, actor: Actor, tasks: Iterable[Task] = (), call_agent: str = "") -> Standing:
    """How a person stands to a ticket. `tasks`: the ticket's; `call_agent`: the extension that talked to the caller."""
    role = role_of(actor.role)
    in_centre = role in _CENTRE_ROLES
    if in_centre and (ticket.accepted_by == actor.name or _talked(actor, call_agent)):
        return "taker"
    if ticket.restricted_to:
        of_discipline = role == "discipline" or role in UNIT_ROLES
        return "discipline" if of_discipline and actor.unit == ticket.restricted_to else "none"
    if in_centre:
        return "centre"
    if role in UNIT_ROLES and any(one.unit == actor.unit and one.state not in _NO_LONGER for one in tasks):
        return "handling"
    if role in ("district_leadership", "on_duty_chief"):
        return "leadership"
    return "audit" if role == "auditor" else "none"


def sight(standing: Standing, ticket: Ticket, field: str) -> Sight:
    """Whether this person sees this field of the ticket. A field that cannot be masked is shown to all but `none`."""
    if standing == "none":
        return "hidden"
    kind = KIND_OF.get(field)
    if kind is None:
        return "shown"
    rows = [SIGHTS[standing]["ordinary"]]
    if ticket.identity_secret:
        rows.append(SIGHTS[standing]["identity"])
    if ticket.content_secret:
        rows.append(SIGHTS[standing]["content"])
    return max((row[kind] for row in rows), key=_STRICTNESS.__getitem__)


def _talked(actor: Actor, call_agent: str) -> bool:
    # The desk signs with name and username, and an agent's username is the extension.
    return bool(call_agent) and actor.name.rpartition(" ")[2] == call_agent
