"""The acts of `server.py ticket ...`: each one's name, its options, and the service that does it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from routing.centre import Centre
from routing.law.provisions import Amount
from routing.life import (
    dispatch,
    extending,
    handling,
    intake,
    redo,
    returning,
    reviewing,
    submitting,
    supervising,
)
from routing.storage import Ticket
from routing.tickets import Actor

_AMOUNT = re.compile(r"([0-9]{1,5})(m|h|d|wd)")
_UNITS = {"m": "minute", "h": "hour", "d": "calendar_day", "wd": "working_day"}
_AMOUNT_HELP = "30m, 48h, 2d (calendar days) or 5wd (working days)"


def amount(text: str) -> Amount:
    """A length of time such as 48h or 5wd. Raises argparse.ArgumentTypeError."""
    found = _AMOUNT.fullmatch(text)
    if not found or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no length of time; write {_AMOUNT_HELP}")
    return Amount.model_validate({"value": int(found[1]), "unit": _UNITS[found[2]]})


def pair(text: str) -> tuple[str, str]:
    """NAME=VALUE. Raises argparse.ArgumentTypeError."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"'{text}' must be NAME=VALUE")
    return name, value


Do = Callable[[Centre, Ticket, int, Actor, argparse.Namespace], Awaitable[Ticket]]


@dataclass(frozen=True)
class Verb:
    """One act: its name, help, options (flags and how argparse takes them), and the service that does it."""

    name: str
    help: str
    do: Do
    options: tuple[tuple[str, dict[str, Any]], ...] = field(default=())


def _text(flag: str, what: str, *, required: bool = False) -> tuple[str, dict[str, Any]]:
    return flag, {"default": None if required else "", "required": required, "help": what}


def _many(flag: str, metavar: str, what: str, kind: Callable[[str], object] = str) -> tuple[str, dict[str, Any]]:
    return flag, {"action": "append", "type": kind, "default": [], "metavar": metavar, "help": what}


_WHY = _text("--why", "the reason, in the history")
_MUST_WHY = _text("--why", "the reason, in the history", required=True)
SET_FIELD = _many("--set-field", "NAME=VALUE", "a field of the form", kind=pair)
_FORM = _many("--field", "ID=VALUE", "a field of the result's form", kind=pair)
_PHONE = _many("--telephoned", "UNIT=NAME", "who at which unit was told by telephone", kind=pair)
_LEAD = _text("--lead", "the lead unit's id", required=True)
_ASSISTING = _many("--assisting", "UNIT", "an assisting unit's id")
_OF_UNIT = _text("--of-unit", "the unit that it is about", required=True)
_CLASSES = (
    SET_FIELD,
    _text("--scope", "item of the intake scope, such as YZ-11-3"),
    _text("--class", "handling class, such as urban_management"),
    ("--reminded", {"action": "store_true", "help": "the caller was told that a report has to be true"}),
)

VERBS: tuple[Verb, ...] = (
    Verb(
        "accept",
        "accept a draft",
        lambda c, t, v, a, o: intake.accept_draft(
            c, t.id, v, a, values=dict(o.set_field), scope=o.scope, handling_class=vars(o)["class"], reminded=o.reminded
        ),
        _CLASSES,
    ),
    Verb(
        "classify",
        "correct what an accepted ticket is about",
        lambda c, t, v, a, o: intake.classify(
            c,
            t.id,
            v,
            a,
            values=dict(o.set_field),
            scope=o.scope,
            handling_class=vars(o)["class"],
            reminded=o.reminded,
            why=o.why,
        ),
        (*_CLASSES, _MUST_WHY),
    ),
    Verb(
        "refuse",
        "refuse a matter on one of the law's grounds",
        lambda c, t, v, a, o: intake.refuse(c, t.id, v, a, ground=o.ground, notice=o.notice, basis=o.basis, why=o.why),
        (
            _text("--ground", "id of the ground, such as YZ-12-5", required=True),
            _text("--notice", "what the caller was told (default: the document's words)"),
            _text("--basis", "the legal basis (default: the ground's words)"),
            _WHY,
        ),
    ),
    Verb(
        "answer",
        "close a matter that was answered on the spot",
        lambda c, t, v, a, o: intake.answer_on_the_spot(c, t.id, v, a, answer=o.answer, scope=o.scope),
        (_text("--answer", "what was answered", required=True), _text("--scope", "item of the intake scope")),
    ),
    Verb(
        "refer",
        "refer a matter to somebody else",
        lambda c, t, v, a, o: intake.refer(c, t.id, v, a, to=o.to, note=o.note, line_number=o.line),
        (
            _text("--to", "directory (114), out_of_area, or discipline", required=True),
            _text("--note", "what the caller was told", required=True),
            _text("--line", "the line that the caller was connected to"),
        ),
    ),
    Verb(
        "guide",
        "note that the caller was connected to emergency lines",
        lambda c, t, v, a, o: intake.guide(c, t.id, o.line, a, note=o.note),
        (
            _many("--line", "NUMBER", "110, 119, 120, ..."),
            _text("--note", "more about it"),
        ),
    ),
    Verb(
        "pre-review",
        "put a first opinion before the host",
        lambda c, t, v, a, o: intake.submit_for_pre_review(c, t.id, v, a, opinion=o.opinion),
        (_text("--opinion", "the first opinion", required=True),),
    ),
    Verb(
        "decide-opinion",
        "agree to the first opinion, or not",
        lambda c, t, v, a, o: intake.decide_first_opinion(c, t.id, v, a, agreed=o.decision == "agree", why=o.why),
        (("--decision", {"choices": ["agree", "disagree"], "required": True, "help": "the decision"}), _WHY),
    ),
    Verb(
        "dispatch",
        "dispatch to a lead unit and those that assist it",
        lambda c, t, v, a, o: dispatch.dispatch(
            c, t.id, v, a, lead=o.lead, assisting=o.assisting, telephoned=dict(o.telephoned), why=o.why
        ),
        (_LEAD, _ASSISTING, _PHONE, _WHY),
    ),
    Verb(
        "redispatch",
        "dispatch a returned ticket again",
        lambda c, t, v, a, o: dispatch.redispatch(
            c,
            t.id,
            v,
            a,
            lead=o.lead,
            assisting=o.assisting,
            telephoned=dict(o.telephoned),
            verifies=o.verifies,
            why=o.why,
        ),
        (
            _LEAD,
            _ASSISTING,
            _PHONE,
            ("--verifies", {"action": "store_true", "help": "the lead verifies the matter with the caller"}),
            _WHY,
        ),
    ),
    Verb(
        "add-assisting",
        "give the ticket another assisting unit",
        lambda c, t, v, a, o: dispatch.add_assisting(c, t.id, v, a, unit=o.of_unit, why=o.why),
        (_OF_UNIT, _WHY),
    ),
    Verb(
        "withdraw-assisting",
        "take an assisting unit off the ticket",
        lambda c, t, v, a, o: returning.withdraw_assisting(c, t.id, v, a, unit=o.of_unit, why=o.why),
        (_OF_UNIT, _MUST_WHY),
    ),
    Verb(
        "telephoned",
        "note who at a unit was told of an emergency by telephone",
        lambda c, t, v, a, o: dispatch.note_phone(c, t.id, v, a, unit=o.of_unit, told=o.told),
        (_OF_UNIT, _text("--told", "who took the call", required=True)),
    ),
    Verb(
        "take-back",
        "take a dispatched ticket back, to dispatch it again",
        lambda c, t, v, a, o: returning.take_back(c, t.id, v, a, why=o.why),
        (_MUST_WHY,),
    ),
    Verb(
        "determine",
        "settle which unit is responsible, by one of the law's steps",
        lambda c, t, v, a, o: dispatch.determine_unit(c, t.id, v, a, unit=o.of_unit, by=o.by, why=o.why),
        (_OF_UNIT, _text("--by", "the step, in the document's words", required=True), _WHY),
    ),
    Verb(
        "other-law",
        "another law sets the completion limit",
        lambda c, t, v, a, o: dispatch.apply_other_law(c, t.id, v, a, amount=o.amount, basis=o.basis),
        (
            ("--amount", {"type": amount, "required": True, "help": _AMOUNT_HELP}),
            _text("--basis", "that law and its article", required=True),
        ),
    ),
    Verb(
        "contact",
        "the unit has contacted the caller",
        lambda c, t, v, a, o: handling.report_contact(c, t.id, v, a, note=o.note),
        (_text("--note", "what came of it", required=True),),
    ),
    Verb(
        "sign",
        "the unit confirms receipt",
        lambda c, t, v, a, o: handling.sign(c, t.id, v, a, received_by=o.receiver),
        (_text("--receiver", "who answers for it (default: --as)"),),
    ),
    Verb(
        "start",
        "the unit has started on an emergency",
        lambda c, t, v, a, o: handling.start_handling(c, t.id, v, a, report=o.report, excused=o.excused),
        (
            _text("--report", "the situation, and what is done", required=True),
            _text("--excused", "the accident or force majeure that delayed it"),
        ),
    ),
    Verb(
        "confirm-excuse",
        "the centre confirms the accident or force majeure that a unit named",
        lambda c, t, v, a, o: handling.confirm_excuse(c, t.id, v, a, unit=o.of_unit, why=o.why),
        (_OF_UNIT, _text("--why", "how the centre knows", required=True)),
    ),
    Verb(
        "secure",
        "the unit is on the scene and has made it safe",
        lambda c, t, v, a, o: handling.secure(c, t.id, v, a, report=o.report),
        (_text("--report", "what was done", required=True),),
    ),
    Verb(
        "explain",
        "why the unit missed a limit",
        lambda c, t, v, a, o: handling.explain_missed_clock(c, t.id, v, a, clock_id=o.clock, why=o.why),
        (("--clock", {"type": int, "required": True, "help": "number of the clock (see show)"}), _MUST_WHY),
    ),
    Verb(
        "return",
        "the unit gives the ticket back",
        lambda c, t, v, a, o: returning.return_task(c, t.id, v, a, reason=o.reason, basis=o.basis, safety=o.safety),
        (
            _text("--reason", "why, in detail", required=True),
            _text("--basis", "articles"),
            _text("--safety", "what was done about the danger"),
        ),
    ),
    Verb(
        "review-return",
        "accept or reject a unit's return",
        lambda c, t, v, a, o: returning.review_return(
            c, t.id, v, a, unit=o.of_unit, accepted=o.decision == "accept", why=o.why
        ),
        (_OF_UNIT, ("--decision", {"choices": ["accept", "reject"], "required": True, "help": "the decision"}), _WHY),
    ),
    Verb(
        "extend",
        "the lead unit asks for more time",
        lambda c, t, v, a, o: extending.ask_extension(c, t.id, v, a, amount=o.amount, reason=o.reason),
        (
            ("--amount", {"type": amount, "required": True, "help": _AMOUNT_HELP}),
            _text("--reason", "why", required=True),
        ),
    ),
    Verb(
        "decide-extension",
        "grant or refuse the extension that was asked for",
        lambda c, t, v, a, o: extending.decide_extension(c, t.id, v, a, granted=o.decision == "grant", why=o.why),
        (("--decision", {"choices": ["grant", "refuse"], "required": True, "help": "the decision"}), _WHY),
    ),
    Verb(
        "tell-caller",
        "note what the caller was told",
        lambda c, t, v, a, o: extending.tell_caller(c, t.id, v, a, what=o.what),
        (_text("--what", "what they were told", required=True),),
    ),
    Verb(
        "submit",
        "the unit submits its result",
        lambda c, t, v, a, o: submitting.submit_result(c, t.id, v, a, form=dict(o.field)),
        (_FORM,),
    ),
    Verb("approve", "approve the result inside the unit", lambda c, t, v, a, o: submitting.approve(c, t.id, v, a)),
    Verb(
        "disapprove",
        "send the result back inside the unit",
        lambda c, t, v, a, o: submitting.disapprove(c, t.id, v, a, why=o.why),
        (_MUST_WHY,),
    ),
    Verb(
        "review",
        "pass the result, or reject it",
        lambda c, t, v, a, o: reviewing.review_result(c, t.id, v, a, passed=o.decision == "pass", why=o.why),
        (("--decision", {"choices": ["pass", "reject"], "required": True, "help": "the decision"}), _WHY),
    ),
    Verb(
        "redo",
        "send the ticket back to be done again",
        lambda c, t, v, a, o: redo.order_redo(c, t.id, v, a, findings=o.finding, why=o.why),
        (_many("--finding", "TEXT", "a finding, in the document's words"), _MUST_WHY),
    ),
    Verb(
        "send-back",
        "the citizen says that nothing was solved: back to the unit",
        lambda c, t, v, a, o: redo.send_back(c, t.id, v, a, solved=o.said, limit=o.amount, why=o.why),
        (
            ("--said", {"choices": list(redo.SOLVED), "required": True, "help": "what the citizen says"}),
            ("--amount", {"type": amount, "required": True, "help": _AMOUNT_HELP}),
            _WHY,
        ),
    ),
    Verb(
        "end-mediation",
        "end the mediation; the ticket is not dispatched again",
        lambda c, t, v, a, o: reviewing.end_mediation(c, t.id, v, a, why=o.why),
        (_MUST_WHY,),
    ),
    Verb("archive", "archive the ticket", lambda c, t, v, a, o: reviewing.archive(c, t.id, v, a)),
    Verb(
        "supervise",
        "put the ticket under supervision",
        lambda c, t, v, a, o: supervising.supervise(c, t.id, v, a, why=o.why, trigger=o.trigger),
        (_MUST_WHY, ("--trigger", {"choices": list(supervising.TRIGGERS), "default": "other", "help": "why"})),
    ),
    Verb(
        "end-supervision",
        "take the ticket out of supervision",
        lambda c, t, v, a, o: supervising.end_supervision(c, t.id, v, a, why=o.why),
        (_MUST_WHY,),
    ),
    Verb(
        "submit-to-leadership",
        "submit the ticket to the leadership",
        lambda c, t, v, a, o: supervising.submit_to_leadership(c, t.id, v, a, why=o.why, trigger=o.trigger),
        (_MUST_WHY, ("--trigger", {"choices": list(supervising.TRIGGERS), "default": "other", "help": "why"})),
    ),
    Verb(
        "external-id",
        "note the ticket's id on the platform above",
        lambda c, t, v, a, o: intake.note_external_id(c, t.id, v, a, o.id),
        (_text("--id", "its id there", required=True),),
    ),
)
