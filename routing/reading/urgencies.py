"""Whether danger is spoken of, and which lines help (YZ-14(4), (5)). A person decides; overlooking costs most."""

from __future__ import annotations

from collections.abc import Sequence

from routing.jurisdiction import Jurisdiction
from routing.reading.matter_words import danger_words
from routing.reading.matters import Matters, named
from routing.reading.pieces import Piece
from routing.reading.ranked import Ranked, Tally, quoted

_ORDINARY = 0.5
"""The score of the ordinary urgency: a word of danger has to weigh more than this to be put before it."""


def urgencies_in(
    texts: Sequence[Piece], matters: Matters, jurisdiction: Jurisdiction
) -> tuple[tuple[Ranked, ...], tuple[Ranked, ...]]:
    """The urgencies and the lines to be connected to, each the likeliest first; the ordinary one is always there."""
    tallies: dict[str, Tally] = {}
    lines: dict[str, Tally] = {}
    reasons: dict[str, dict[str, None]] = {}
    heaviest: dict[str, float] = {}
    for piece in texts:
        for danger in danger_words(jurisdiction, piece.text):
            urgency = danger.hint.urgency
            tallies.setdefault(urgency, Tally()).add(danger.weight, danger.phrase, piece.number)
            reasons.setdefault(urgency, {})[f"“{danger.phrase}”：{danger.hint.reason}"] = None
            heaviest[urgency] = max(heaviest.get(urgency, 0), danger.weight)
            for position, number in enumerate(danger.hint.lines):
                lines.setdefault(number, Tally()).add(danger.weight / (1 + position), danger.phrase, piece.number)
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
    if not advised and named(matters)[:1] and matters[0][0].line:
        matter, tally = matters[0]
        advised = [
            Ranked(line.number, line.name, tally.score, tally.all_words, f"{matter.name}（{line.article}）")
            for line in jurisdiction.lines
            if line.number == matter.line
        ]
    return tuple(ranked), tuple(advised)


def _by_weight(lines: dict[str, Tally], jurisdiction: Jurisdiction) -> list[Ranked]:
    ranked = [
        Ranked(
            line.number,
            line.name,
            tally.score,
            tuple(tally.words),
            f"来电说到{quoted(tuple(tally.words))}（{line.article}）",
            tuple(tally.utterances),
        )
        for line in jurisdiction.lines
        if (tally := lines.get(line.number))
    ]
    return sorted(ranked, key=lambda one: -one.score)


def _has_lines(urgency: str, jurisdiction: Jurisdiction) -> bool:
    return any(hint.lines for hint in jurisdiction.emergency.hints if hint.urgency == urgency)
