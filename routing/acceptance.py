"""What the law decides by, taken out of a draft's fields when it is accepted (受理).

The form holds what the caller said and the machine proposed. From acceptance on, a ticket has columns of its own for
what limits, units and statistics depend on; they are changed by decisions only.
"""

from __future__ import annotations

from datetime import datetime

from routing.jurisdiction import Jurisdiction, Matter, ScopeItem
from routing.life.states import ticket_step
from routing.reading.places import place_of
from routing.reading.spoken import Heard
from routing.storage import Ticket
from routing.ticket_errors import BadField

COPIED = ("intent", "urgency", "matter", "functional_unit", "territorial_unit")
"""Fields of the form that stand in a column of the same name."""


def take_in(
    ticket: Ticket,
    jurisdiction: Jurisdiction,
    at: datetime,
    *,
    scope: str = "",
    handling_class: str = "",
    reminded: bool = False,
) -> None:
    """Fill the columns of `ticket` from its fields; `scope` and `handling_class` go before what the matter says.

    `reminded`: the caller was told that a report has to be true (YZ-33).
    Raises BadField: an id that there is not, no item of the intake scope fits, a report without the reminder.
    """
    if reminded and not ticket.truth_reminded_at:
        ticket.truth_reminded_at = at
    must_be_reminded(ticket, jurisdiction, ticket.fields["intent"]["value"], at)
    copy_fields(ticket, jurisdiction, at)
    set_classes(ticket, jurisdiction, scope=scope, handling_class=handling_class)


def copy_fields(ticket: Ticket, jurisdiction: Jurisdiction, at: datetime) -> None:
    """Copy what the fields say; what they leave open about the urgency is ordinary. Raises BadField."""
    values = {name: ticket.fields[name]["value"] for name in COPIED}
    for name, value in values.items():
        if value and not jurisdiction.allows(name, value):
            raise BadField(f"“{value}”不在{jurisdiction.name}的目录里", field=name)
    matter = matter_of(jurisdiction, values["matter"])
    for name, value in values.items():
        setattr(ticket, name, value)
    ticket.urgency = values["urgency"] or jurisdiction.urgencies[0].id
    ticket.hazard = bool(matter and matter.hazard)
    ticket.place = place_name(jurisdiction, ticket.fields["place"]["value"], at)


def set_classes(ticket: Ticket, jurisdiction: Jurisdiction, *, scope: str, handling_class: str) -> None:
    """Set the item of the intake scope and the handling class: those given, or what matter and intent say.

    Raises BadField.
    """
    matter = matter_of(jurisdiction, ticket.matter)
    item = scope_item(jurisdiction, scope, matter, ticket.intent)
    chosen = handling_class or (matter.handling_class if matter else "")
    if chosen and chosen not in {one.id for one in jurisdiction.handling_classes}:
        there = "、".join(one.id for one in jurisdiction.handling_classes)
        raise BadField(f"没有“{chosen[:60]}”这个办理类别（有：{there}）", field="handling_class", rule="YZ-18")
    ticket.scope = item.id
    ticket.handling_class = chosen


def must_be_reminded(ticket: Ticket, jurisdiction: Jurisdiction, intent: str, at: datetime) -> None:
    """Refuse a report whose caller was not told that it has to be true (BadField)."""
    reminder = jurisdiction.law_at(at).truth_reminder
    if reminder and intent in reminder.intents and not ticket.truth_reminded_at:
        raise BadField(
            "请先提醒来电人：举报内容必须真实，不可恶意诽谤诬陷；提醒后勾选“已提醒”",
            field="truth_reminder",
            rule=reminder.rule,
        )


def matter_of(jurisdiction: Jurisdiction, matter_id: str) -> Matter | None:
    """The entry of the catalogue; None for no matter. Raises BadField for one that is not there."""
    if not matter_id:
        return None
    found = next((one for one in jurisdiction.matters if one.id == matter_id), None)
    if found is None:
        raise BadField(
            f"“{matter_id}”不在{jurisdiction.name}的目录里",
            field="matter",
            rule=ticket_step("accept").rule(jurisdiction.prefix),
        )
    return found


def scope_item(jurisdiction: Jurisdiction, scope: str, matter: Matter | None, intent: str) -> ScopeItem:
    """The item of the intake scope: the one given, else the matter's, else the only one for the intent, else the one
    that the document keeps for everything else. Raises BadField when none fits.
    """
    items = {item.id: item for item in jurisdiction.intake_scope}
    if scope:
        if scope not in items:
            raise BadField(
                f"没有“{scope[:60]}”这一条受理范围（有：{'、'.join(items)}）",
                field="scope",
                rule=ticket_step("accept").rule(jurisdiction.prefix),
            )
        return items[scope]
    if matter:
        return items[matter.scope]
    of_intent = [item for item in items.values() if intent and intent in item.intents]
    others = [item for item in items.values() if not item.intents]
    fitting = of_intent if len(of_intent) == 1 else others
    if len(fitting) != 1:
        raise BadField(
            f"请写明受理范围（{'、'.join(items)}）", field="scope", rule=ticket_step("accept").rule(jurisdiction.prefix)
        )
    return fitting[0]


def open_scopes(jurisdiction: Jurisdiction, matter_id: str, intent: str) -> tuple[ScopeItem, ...]:
    """The items that a person has to choose from; none where matter or intent say which it is."""
    matter = next((one for one in jurisdiction.matters if one.id == matter_id), None)
    try:
        scope_item(jurisdiction, "", matter, intent)
    except BadField:
        return jurisdiction.intake_scope
    return ()


def place_name(jurisdiction: Jurisdiction, written: str, at: datetime) -> str:
    """The gazetteer's name of the place that was written down; "" when it is not there."""
    if not written:
        return ""
    found = place_of([Heard(0, "caller", f"在{written}", at)], jurisdiction)
    return found.place.name if found and found.place else ""
