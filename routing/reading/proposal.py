"""The first proposal for a matter: intent, urgency, matter, functional and territorial unit, each ranked.

A person decides (YZ-14 [H]); so every candidate says why, with the words that led to it and the article. By
YZ-14(2) a functional unit and a territorial unit are proposed side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from routing.jurisdiction import Intent, Jurisdiction, Matter
from routing.reading.elements import Elements, Heard
from routing.reading.matter_words import danger_words, matter_words
from routing.reading.spoken import Phrases, of_caller, plain


@dataclass(frozen=True)
class Ranked:
    """A candidate: id of the jurisdiction, its name, a score of 0-1, the words and the reason for the agent."""

    id: str
    name: str
    score: float
    words: tuple[str, ...]
    reason: str
    utterances: tuple[int, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """Candidates, best first. `lines` are the lines the caller should be told of and connected to."""

    intents: tuple[Ranked, ...] = ()
    urgencies: tuple[Ranked, ...] = ()
    matters: tuple[Ranked, ...] = ()
    functional_units: tuple[Ranked, ...] = ()
    territorial_units: tuple[Ranked, ...] = ()
    lines: tuple[Ranked, ...] = ()

    def named(self) -> dict[str, tuple[Ranked, ...]]:
        """The rankings by the names of the ticket's fields."""
        return {
            "intent": self.intents,
            "urgency": self.urgencies,
            "matter": self.matters,
            "functional_unit": self.functional_units,
            "territorial_unit": self.territorial_units,
        }


_SHOWN = 5
"""How many candidates an agent is shown; more is no proposal."""

_WORD, _HINT = 1.0, 0.4
_EACH_CHARACTER = 0.15
"""A longer phrase says more: what it weighs beyond two characters."""
_REPEATED = 0.25
"""What a word weighs that was heard before: saying it five times does not make it five matters."""
_ASSISTS = 0.8
"""What a unit is worth beside the one before it in a matter's list."""
_NAMED_UNIT = 0.3
"""A unit that the caller names is a hint, not more: callers name the wrong one in good faith."""
_ORDINARY = 0.5
"""The score of the ordinary urgency: a word of danger has to weigh more than this to be put before it."""


@dataclass
class _Tally:
    weight: float = 0.0
    words: dict[str, None] = field(default_factory=dict)
    utterances: dict[int, None] = field(default_factory=dict)

    def add(self, weight: float, word: str, utterance: int) -> None:
        self.weight += weight * (_REPEATED if word in self.words else 1)
        self.words[word] = None
        self.utterances[utterance] = None

    @property
    def score(self) -> float:
        """0-1, ever slower: one certain word gives 0.63, two 0.86."""
        return round(1 - math.exp(-self.weight), 3)


def propose(utterances: Sequence[Heard], elements: Elements, jurisdiction: Jurisdiction) -> Proposal:
    """The proposal for a transcript and its elements. Pure; empty rankings where nothing was said."""
    said = [(heard, plain(heard.text)) for heard in of_caller(utterances)]
    matters = _matters(said, jurisdiction)
    named = _named_units(said, jurisdiction)
    urgencies, lines = _urgencies(said, matters, jurisdiction)
    territorial = _territorial(elements, matters, jurisdiction)
    return Proposal(
        intents=_intents(said, matters, jurisdiction),
        urgencies=urgencies,
        matters=tuple(_ranked_matter(matter, tally, jurisdiction) for matter, tally in matters),
        functional_units=_functional(matters, named, territorial, jurisdiction),
        territorial_units=territorial,
        lines=lines,
    )


_Said = Sequence[tuple[Heard, str]]
_Matters = list[tuple[Matter, _Tally]]
_Named = dict[str, _Tally]


def _weight(phrase: str, *, is_hint: bool) -> float:
    return (_HINT if is_hint else _WORD) * (1 + _EACH_CHARACTER * (len(phrase) - 2))


def _matters(said: _Said, jurisdiction: Jurisdiction) -> _Matters:
    tallies: dict[str, _Tally] = {}
    certain: set[str] = set()
    for heard, text in said:
        for found in matter_words(jurisdiction, text):
            for word in found.payloads:
                tally = tallies.setdefault(word.matter.id, _Tally())
                tally.add(_weight(found.phrase, is_hint=word.is_hint), found.phrase, heard.number)
                if not word.is_hint:
                    certain.add(word.matter.id)
    # Hints alone name no matter: 孩子 or 公司 are in half of all calls.
    named = [(matter, tallies[matter.id]) for matter in jurisdiction.matters if matter.id in certain]
    return sorted(named, key=lambda one: -one[1].weight)[:_SHOWN]


def _ranked_matter(matter: Matter, tally: _Tally, jurisdiction: Jurisdiction) -> Ranked:
    words = tuple(tally.words)
    reason = f"来电说到{_quoted(words)}；受理范围 {matter.scope}；{jurisdiction.matters_source}"
    return Ranked(matter.id, matter.name, tally.score, words, reason, tuple(tally.utterances))


def _intents(said: _Said, matters: _Matters, jurisdiction: Jurisdiction) -> tuple[Ranked, ...]:
    tallies: dict[str, _Tally] = {}
    for heard, text in said:
        for found in _intent_phrases(jurisdiction).find(text):
            for intent, is_hint in found.payloads:
                tally = tallies.setdefault(intent.id, _Tally())
                tally.add(1.2 if not is_hint else _HINT, found.phrase, heard.number)
    usual: dict[str, str] = {}
    if matters:
        matter, heaviest = matters[0]
        # What the matter usually is counts less than what the caller says outright, and the first usual one most.
        for position, intent_id in enumerate(matter.intents):
            tally = tallies.setdefault(intent_id, _Tally())
            tally.weight += 0.45 / (1 + position) * heaviest.score
            usual[intent_id] = matter.name
    ranked = []
    for intent in jurisdiction.intents:
        if intent.id in tallies and tallies[intent.id].weight > 0:
            tally = tallies[intent.id]
            words = tuple(tally.words)
            reasons = [f"来电说到{_quoted(words)}"] if words else []
            if intent.id in usual:
                reasons.append(f"“{usual[intent.id]}”通常属于{intent.name}")
            reason = "；".join(reasons) + f"（{intent.article}）"
            ranked.append(Ranked(intent.id, intent.name, tally.score, words, reason, tuple(tally.utterances)))
    return tuple(sorted(ranked, key=lambda one: -one.score))


def _urgencies(
    said: _Said, matters: _Matters, jurisdiction: Jurisdiction
) -> tuple[tuple[Ranked, ...], tuple[Ranked, ...]]:
    tallies: dict[str, _Tally] = {}
    lines: dict[str, _Tally] = {}
    reasons: dict[str, dict[str, None]] = {}
    heaviest: dict[str, float] = {}
    for heard, text in said:
        for danger in danger_words(jurisdiction, text):
            urgency = danger.hint.urgency
            tallies.setdefault(urgency, _Tally()).add(danger.weight, danger.phrase, heard.number)
            reasons.setdefault(urgency, {})[f"“{danger.phrase}”：{danger.hint.reason}"] = None
            heaviest[urgency] = max(heaviest.get(urgency, 0), danger.weight)
            for position, number in enumerate(danger.hint.lines):
                lines.setdefault(number, _Tally()).add(danger.weight / (1 + position), danger.phrase, heard.number)
    ordinary, *others = jurisdiction.urgencies
    verify = "听到的情况由坐席核实" if tallies else "没有听到更紧急的情况"
    ranked = [Ranked(ordinary.id, ordinary.name, _ORDINARY, (), f"{verify}（{ordinary.article}）")]
    advised = _by_weight(lines, jurisdiction)
    for other in others:
        if tally := tallies.get(other.id):
            calls = bool(advised) and _has_lines(other.id, jurisdiction)
            advice = f"；应告知并转接{'、'.join(called.id for called in advised)}" if calls else ""
            reason = "；".join(reasons[other.id]) + advice + f"（{other.article}）"
            # The single heaviest word decides: three faint hints are no emergency, one fire is.
            score = round(min(0.99, heaviest[other.id] * max(0.95, tally.score)), 3)
            words, numbers = tuple(tally.words), tuple(tally.utterances)
            ranked.append(Ranked(other.id, other.name, score, words, reason, numbers))
    ranked.sort(key=lambda one: -one.score)
    if not advised and matters and matters[0][0].line:
        matter, tally = matters[0]
        advised = [
            Ranked(line.number, line.name, tally.score, tuple(tally.words), f"{matter.name}（{line.article}）")
            for line in jurisdiction.lines
            if line.number == matter.line
        ]
    return tuple(ranked), tuple(advised)


def _by_weight(lines: dict[str, _Tally], jurisdiction: Jurisdiction) -> list[Ranked]:
    ranked = [
        Ranked(
            line.number,
            line.name,
            tally.score,
            tuple(tally.words),
            f"来电说到{_quoted(tuple(tally.words))}（{line.article}）",
            tuple(tally.utterances),
        )
        for line in jurisdiction.lines
        if (tally := lines.get(line.number))
    ]
    return sorted(ranked, key=lambda one: -one.score)


def _has_lines(urgency: str, jurisdiction: Jurisdiction) -> bool:
    return any(hint.lines for hint in jurisdiction.emergency.hints if hint.urgency == urgency)


def _named_units(said: _Said, jurisdiction: Jurisdiction) -> _Named:
    tallies: _Named = {}
    for heard, text in said:
        for found in _unit_phrases(jurisdiction).find(text):
            for unit in found.payloads:
                tallies.setdefault(unit, _Tally()).add(_weight(found.phrase, is_hint=False), found.phrase, heard.number)
    return tallies


def _functional(
    matters: _Matters, named: _Named, territorial: tuple[Ranked, ...], jurisdiction: Jurisdiction
) -> tuple[Ranked, ...]:
    best: dict[str, Ranked] = {}

    def offer(unit: str, score: float, words: tuple[str, ...], reason: str, utterances: tuple[int, ...]) -> None:
        if unit not in best or best[unit].score < score:
            name = jurisdiction.units[unit].name
            best[unit] = Ranked(unit, name, round(score, 3), words, reason, utterances)

    for matter, tally in matters:
        words, numbers, score = tuple(tally.words), tuple(tally.utterances), tally.score
        because = f"{_quoted(words)}属于“{matter.name}”"
        for gap in jurisdiction.gaps:
            if gap.id == matter.gap and gap.unit is not None:
                offer(gap.unit, score, words, f"{because}；{gap.reason}（{gap.article}）", numbers)
        if matter.territorial_leads and territorial:
            reason = f"{because}，由属地办理（{jurisdiction.routing_article}）"
            offer(territorial[0].id, score, words, reason, numbers)
            score *= _ASSISTS
        if matter.named_unit_handles:
            for unit, mention in named.items():
                reason = f"{because}，来电说的是{_quoted(tuple(mention.words))}（{jurisdiction.article_of_unit[unit]}）"
                offer(unit, score, (*words, *mention.words), reason, numbers)
        for unit in matter.units:
            reason = f"{because}，{jurisdiction.matters_source}（{jurisdiction.article_of_unit[unit]}）"
            offer(unit, score, words, reason, numbers)
            score *= _ASSISTS
    for unit, mention in named.items():
        reason = f"来电提到{_quoted(tuple(mention.words))}（{jurisdiction.article_of_unit[unit]}）"
        offer(unit, _NAMED_UNIT, tuple(mention.words), reason, tuple(mention.utterances))
    return tuple(sorted(best.values(), key=lambda one: -one.score)[:_SHOWN])


def _territorial(elements: Elements, matters: _Matters, jurisdiction: Jurisdiction) -> tuple[Ranked, ...]:
    place, heard = elements.recognised_place, elements.place
    if place is None or heard is None or place.unit is None:
        return ()
    unit = jurisdiction.units[place.unit]
    role = ""
    if matters:
        matter = matters[0][0]
        if matter.territorial_leads:
            role = "，属地主办"
        elif matter.territorial_assists:
            role = "，属地协办"
    articles = f"{jurisdiction.article_of_unit[unit.id]}；{jurisdiction.routing_article}"
    reason = f"“{heard.value}”属{unit.short}（{articles}）{role}"
    return (Ranked(unit.id, unit.name, heard.confidence, heard.words, reason, heard.utterances),)


def _quoted(words: tuple[str, ...]) -> str:
    return "、".join(f"“{word}”" for word in words)


@lru_cache(maxsize=8)
def _intent_phrases(jurisdiction: Jurisdiction) -> Phrases[tuple[Intent, bool]]:
    return Phrases(
        (phrase, (intent, is_hint))
        for intent in jurisdiction.intents
        for is_hint, phrases in ((False, intent.words), (True, intent.hints))
        for phrase in phrases
    )


@lru_cache(maxsize=8)
def _unit_phrases(jurisdiction: Jurisdiction) -> Phrases[str]:
    return Phrases((phrase, unit.id) for unit in jurisdiction.units.values() for phrase in unit.words)
