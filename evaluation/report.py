"""The figures as Markdown. Of the untouched half nothing is ever written but figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from evaluation.cases import TUNE, UNTOUCHED, Case, Half
from evaluation.figures import ELEMENTS, Measured, Share, Tally, added_up, badness, mistakes
from evaluation.marks import Mark, Outcome
from evaluation.speech import Errors

HALVES: tuple[Half, ...] = (TUNE, UNTOUCHED)
WORST = 20


@dataclass(frozen=True)
class Marked:
    """A case and its marks."""

    case: Case
    marks: Sequence[Mark]


def document(text: Sequence[Marked], figures: str, day: date) -> str:
    """The whole of docs/evaluation.md; `text`: the cases as read from text, of which the worst are shown."""
    counted = Counter(one.case.half for one in text)
    return _INTRODUCTION.format(
        date=day,
        cases=len(text),
        tune=counted[TUNE],
        untouched=counted[UNTOUCHED],
        figures=figures,
        most=WORST,
        worst=worst(text, most=WORST),
    )


def aims(read_from: Mapping[str, Sequence[Marked]], halves: Sequence[Half]) -> str:
    """What is aimed at, and what was reached, by what the calls were read from."""
    columns = [(source, half) for source in read_from for half in halves]
    lines = [
        f"## The aims\n\n| element | aim |{''.join(f' {source}, {half} |' for source, half in columns)}",
        "|---|---|" + "---|" * len(columns),
    ]
    tallies = {(source, half): _added_up(read_from[source], half) for source, half in columns}
    for element in ELEMENTS:
        if element.aim:
            shares = "".join(f" {_share(tallies[column][element.element].recall)} |" for column in columns)
            lines.append(f"| {element.name} | {element.aim:g} % |{shares}")
    return "\n".join(lines)


def of_text(marked: Sequence[Marked], halves: Sequence[Half]) -> str:
    """The part of the calls read from text."""
    return _part("From text", marked, halves)


def of_speech(marked: Sequence[Marked], errors: Mapping[Half, Errors], model: str, halves: Sequence[Half]) -> str:
    """The part of the calls read from what the recogniser heard."""
    return f"{_part(f'From speech (model `{model}`)', marked, halves)}\n\n### Recognition\n\n{recognition(errors)}"


def _part(title: str, marked: Sequence[Marked], halves: Sequence[Half]) -> str:
    return (
        f"## {title}\n\n{figures(marked, halves)}\n\n### Kinds of error\n\n{kinds_of_error(marked, halves)}\n\n"
        f"### Scopes\n\n{scopes(marked, halves)}"
    )


def _added_up(marked: Iterable[Marked], half: Half) -> dict[str, Tally]:
    return added_up(mark for one in marked if one.case.half == half for mark in one.marks)


def figures(marked: Sequence[Marked], halves: Sequence[Half]) -> str:
    """The table of all elements: aims, recall and precision of each half."""
    tallies = {half: _added_up(marked, half) for half in halves}
    head = "| element | aim |" + "".join(f" {half}: recall | precision |" for half in halves) + " reached |"
    lines = [head, "|---|---|" + "---|---|" * len(halves) + "---|"]
    for element in ELEMENTS:
        cells = [element.name, f"{element.aim:g} %" if element.aim else ""]
        for half in halves:
            tally = tallies[half][element.element]
            cells += [_share(tally.recall), "" if element.choice else _share(tally.precision, interval=False)]
        cells.append(_reached(element, tallies[halves[-1]][element.element].recall))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def kinds_of_error(marked: Sequence[Marked], halves: Sequence[Half]) -> str:
    """How often which element was wrong, missed or invented."""
    tallies = {half: _added_up(marked, half) for half in halves}
    kinds = " wrong | missed | invented | false proposals |" * len(halves)
    above = "".join(f" {half}: wrong | missed | invented | of calls without one |" for half in halves)
    lines = [f"| element |{above}", "|---|" + "---|" * kinds.count("|")]
    for element in ELEMENTS:
        cells = [element.name]
        for half in halves:
            tally = tallies[half][element.element]
            cells += [str(tally.outcomes[kind]) for kind in (Outcome.WRONG, Outcome.MISSED, Outcome.INVENTED)]
            cells.append(_false(tally))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def scopes(marked: Sequence[Marked], halves: Sequence[Half]) -> str:
    """What the scopes were taken for."""
    lines = [f"| scope | proposed |{''.join(f' {half} |' for half in halves)}", "|---|---|" + "---|" * len(halves)]
    pairs: dict[Half, Counter[tuple[str, str]]] = {half: Counter() for half in halves}
    for one in marked:
        if one.case.half in pairs:
            mark = next(mark for mark in one.marks if mark.element == "scope")
            pairs[one.case.half][(one.case.scope[0], mark.got)] += 1
    for expected, got in sorted({pair for counted in pairs.values() for pair in counted}):
        counts = "".join(f" {pairs[half][(expected, got)]} |" for half in halves)
        lines.append(f"| {expected} | {got} |{counts}")
    return "\n".join(lines)


def recognition(errors: Mapping[Half, Errors]) -> str:
    """The recogniser's own errors, each half."""
    lines = [
        "| half | utterances | minutes of audio | character error rate | syllable error rate | gaps a 100 characters | "
        "decoding, of real time |",
        "|---|---|---|---|---|---|---|",
    ]
    for half, one in errors.items():
        cells = [
            half,
            str(one.utterances),
            f"{one.audio_seconds / 60:.1f}",
            f"{_of(one.wrong_characters, one.characters):.1f} %",
            f"{_of(one.wrong_syllables, one.syllables):.1f} %",
            f"{_of(one.gaps, one.characters):.1f}",
            f"{one.work_seconds / one.audio_seconds if one.audio_seconds else 0:.3f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def worst(marked: Iterable[Marked], element: str | None = None, most: int | None = None) -> str:
    """The tunable cases with the worst mistakes, or with a mistake in that element, in full.

    Untouched cases are left out, whoever asks: one that is shown is no longer untouched.
    """
    shown = [
        (one, [mark for mark in mistakes(one.marks) if element is None or mark.element == element])
        for one in marked
        if one.case.half == TUNE
    ]
    ranked = sorted((pair for pair in shown if pair[1]), key=lambda pair: (-badness(pair[1]), pair[0].case.id))
    return "\n\n".join(_in_full(one, wrong) for one, wrong in ranked[:most])


def _in_full(one: Marked, wrong: Sequence[Mark]) -> str:
    # A closing line break of each turn in Markdown is two spaces.
    said = "  \n".join(f"{'agent: ' if turn.speaker == 'agent' else ''}{turn.text}" for turn in one.case.said)
    rows = [f"| {mark.element} | {mark.outcome.value} | {_cell(mark.expected)} | {_cell(mark.got)} |" for mark in wrong]
    return "\n".join([f"**{one.case.id}** {said}", "", "| element | | expected | got |", "|---|---|---|---|", *rows])


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")


def _share(share: Share, *, interval: bool = True) -> str:
    if share.value is None:
        return "-"
    low, high = share.interval
    around = f", {100 * low:.0f}-{100 * high:.0f}" if interval else ""
    return f"{100 * share.value:.1f} % ({share.part}/{share.whole}{around})"


def _reached(element: Measured, share: Share) -> str:
    if element.aim is None or share.value is None:
        return ""
    return "yes" if 100 * share.value >= element.aim else "no"


def _false(tally: Tally) -> str:
    share = tally.false_proposals
    return f"{_of(share.part, share.whole):.1f} %" if share.whole else ""


def _of(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


_INTRODUCTION = """# Evaluation

Written by `make eval`; do not edit. {date}, {cases} calls to 三亚市崖州区 in `tests/data/openings/`.

The calls were written, and labelled with what a careful agent would put down, by writers who had not seen how the
software reads; the labels of both halves were read a second time. They are invented, not recorded: real callers will be
harder, above all to hear.
A call belongs to the half `untouched` when the first byte of its id's SHA-256 is even: {untouched} calls. On the
other half, `tune` ({tune} calls), rules and weights may be mended. Of the untouched half this document, like the
program, shows figures only: a case that is shown is no longer untouched. Whether an aim is reached is told by it.

Recall: of what was said, what was read rightly. Precision: of what was read, what is right. In brackets the counts and
Wilson's 95 % interval. A place is right when its territorial unit is (none, where it must be asked or has none), its
words are in the value (spelt otherwise but of the same sound: right) and it is asked about when it must be. A time is
right when date and part of the day are; a vague one when the words agree. A functional unit is right when a careful
agent could have chosen it; the label lists those. An emergency is recalled when the line needed most is proposed.
Matters, intents and units are those of a call's main matter. Invented: a value where the label has none.

Speech: each utterance of a caller is spoken by espeak-ng (`cmn-latn-pinyin`), goes through G.711 (mu-law, 8 kHz),
the voice-activity gate and the recogniser as in the listening service, and is read from what was heard. The demo model
knows this voice only; these figures say nothing about people's voices.

{figures}

## The {most} worst cases of the tunable half, from text

Ordered by their mistakes; an emergency that is missed or invented counts five times a wrong place or time.

{worst}
"""
