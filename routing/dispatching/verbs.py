"""More acts of `server.py ticket ...`: what is told again, final opinions, callbacks, ratings, leaders' calls."""

from __future__ import annotations

from typing import Any

from routing.dispatching import leader_calls, merging, opinions, repeats, splitting
from routing.life import callback, rating
from routing.life.parts import ANSWERED_BEFORE, REPEATS
from routing.life.verbs import SET_FIELD, Verb, amount, pair
from routing.tickets import BadField


def _rating(about: str, level: str, given: Any) -> rating.Given:
    return rating.Given(about, level, given.reason, given.exclusion, given.evidence)


def _ratings(given: Any) -> list[rating.Given]:
    for about, _ in given.rating:
        if about not in (rating.AGENT, rating.RESULT):
            raise BadField(f"评价的对象是 agent 或 result，不是“{about[:20]}”", field="rating")
    reason = {rating.RESULT: (given.reason, given.exclusion, given.evidence)}
    return [rating.Given(about, level, *reason.get(about, ("", "", ""))) for about, level in given.rating]


def _text(flag: str, what: str, *, required: bool = False) -> tuple[str, dict[str, Any]]:
    return flag, {"default": None if required else "", "required": required, "help": what}


def _flag(flag: str, what: str) -> tuple[str, dict[str, Any]]:
    return flag, {"action": "store_true", "help": what}


def _number(flag: str, what: str) -> tuple[str, dict[str, Any]]:
    return flag, {"type": int, "required": True, "help": what}


_WHY = _text("--why", "the reason, in the history")
_MUST_WHY = _text("--why", "the reason, in the history", required=True)
_ASKED = (
    _flag("--no-new-facts", "the caller was asked, and has no new facts"),
    _flag("--told", "the caller was told, with the basis"),
)
_RATED = (
    _text("--reason", "why the citizen is dissatisfied with the result"),
    _text("--exclusion", "code of the exclusion from 实际参评满意率"),
    _text("--evidence", "words of the unit's reply that prove the exclusion"),
)

VERBS: tuple[Verb, ...] = (
    Verb(
        "merge",
        "make the ticket part of an open one about the same matter",
        lambda c, t, v, a, o: merging.merge(c, t.id, v, o.into, a, why=o.why),
        (_text("--into", "id of the open ticket", required=True), _WHY),
    ),
    Verb(
        "unmerge",
        "take a merged ticket out again",
        lambda c, t, v, a, o: merging.unmerge(c, t.id, v, a, why=o.why),
        (_MUST_WHY,),
    ),
    Verb(
        "link",
        "say that the ticket belongs to another one; both go on",
        lambda c, t, v, a, o: merging.link(c, t.id, v, o.to, a, kind=o.kind, why=o.why),
        (
            _text("--to", "id of the other ticket", required=True),
            ("--kind", {"default": REPEATS, "choices": [REPEATS, ANSWERED_BEFORE]}),
            _WHY,
        ),
    ),
    Verb(
        "split",
        "a ticket of its own for another matter of the same call",
        lambda c, t, v, a, o: splitting.split(c, t.id, v, a, dict(o.set_field)),
        (SET_FIELD,),
    ),
    Verb(
        "refuse-repeat",
        "refuse a matter that was answered often enough",
        lambda c, t, v, a, o: repeats.refuse_repeat(c, t.id, v, a, no_new_facts=o.no_new_facts, told=o.told, why=o.why),
        (*_ASKED, _MUST_WHY),
    ),
    Verb(
        "close-under",
        "take a call down under a final opinion, without a new ticket",
        lambda c, t, v, a, o: opinions.close_under(c, t.id, v, o.opinion, a, no_new_facts=o.no_new_facts, told=o.told),
        (_number("--opinion", "number of the opinion"), *_ASKED),
    ),
    Verb(
        "explain-under",
        "mark the ticket as one in which the unit explains its opinion again",
        lambda c, t, v, a, o: opinions.explain_under(c, t.id, v, o.opinion, a),
        (_number("--opinion", "number of the opinion"),),
    ),
    Verb(
        "leader-call",
        "mark the ticket as taken by a leader",
        lambda c, t, v, a, o: leader_calls.take(c, t.id, v, o.session, a, key_matter=o.key_matter),
        (
            _number("--session", "number of the session"),
            _flag("--key-matter", "given to the leader's unit as its own (包案)"),
        ),
    ),
    Verb(
        "call-back",
        "write down an attempt to call the citizen back",
        lambda c, t, v, a, o: callback.record(
            c,
            t.id,
            v,
            a,
            outcome=o.outcome,
            solved=o.solved,
            ratings=_ratings(o),
            within=o.within,
            note=o.note,
        ),
        (
            ("--outcome", {"required": True, "choices": list(callback.OUTCOMES)}),
            ("--solved", {"default": "", "choices": ["", *callback.SOLVED], "help": "what the citizen says"}),
            (
                "--rating",
                {
                    "action": "append",
                    "type": pair,
                    "default": [],
                    "metavar": "ABOUT=LEVEL",
                    "help": "agent=满意 or result=不满意",
                },
            ),
            ("--within", {"type": amount, "default": None, "help": "the unit's limit when it is not solved, as 48h"}),
            *_RATED,
            _text("--note", "more about it"),
        ),
    ),
    Verb(
        "conclude",
        "close the callbacks although it is not solved",
        lambda c, t, v, a, o: callback.conclude(c, t.id, v, a, why=o.why),
        (_MUST_WHY,),
    ),
    Verb(
        "rate",
        "write down a rating",
        lambda c, t, v, a, o: rating.rate(c, t.id, v, a, _rating(o.about, o.level, o)),
        (
            ("--about", {"required": True, "choices": [rating.AGENT, rating.RESULT]}),
            _text("--level", "such as 满意", required=True),
            *_RATED,
        ),
    ),
)
