"""Whether the hotline takes a call in (YZ-11, 12, 31): proposed with the words, decided by a person.

Five answers: accept; refuse, with the grounds of the law; transfer_114 for what a directory knows;
transfer_emergency for danger now; clarify where nothing was understood. What concerns party discipline is
transferred or refused as the law of the jurisdiction says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from routing.jurisdiction import Jurisdiction
from routing.law.provisions import RefusalGround
from routing.reading import learned
from routing.reading.elements import Elements
from routing.reading.matters import Matters, named
from routing.reading.pieces import Piece
from routing.reading.places import phrases_in
from routing.reading.ranked import Ranked, Tally, quoted
from routing.reading.spoken import GAP, Found, Heard
from routing.reading.wordings import Wordings

ACCEPT, REFUSE, DIRECTORY, EMERGENCY, CLARIFY = "accept", "refuse", "transfer_114", "transfer_emergency", "clarify"
GUIDE = "guide"
"""The urgency whose callers are connected to a line (YZ-14(5))."""

_NAMES = {
    ACCEPT: "受理",
    REFUSE: "不予受理",
    DIRECTORY: "转社会综合信息服务",
    EMERGENCY: "转紧急专线",
    CLARIFY: "请来电人再说清楚",
}
_ORDINARY = 0.5
"""The score of taking a call in: any other answer has to be surer."""
_ELSEWHERE, _ASKED, _UNCLEAR = "elsewhere", "directory", "unclear"
_NO_GROUNDS = frozenset({_ELSEWHERE, _ASKED, _UNCLEAR})
"""Kinds of wordings that are no ground of refusal."""
_NOW = 0.7
"""A danger less sure than this is shown with its lines, and the call is taken in: most of such are none."""
_OUT_OF_AREA, _DISCIPLINE = "out_of_area", "party_discipline"
"""The ground's code, and the matter of the catalogue."""
_REFERRED = "out_of_area"
"""What the classifier calls help that was asked for outside: it is referred, not refused (S3)."""
_LIKE_REFUSED, _LIKE_REFUSED_THOUGH = 0.3, 0.6
"""From here on the classifier proposes to refuse; more where the caller named a matter that the hotline takes in."""
_LIKE, _LIKELY = 0.4, 0.55
"""From here on the classifier alone proposes an answer: on calls it had not seen, none below was right more often."""
_CERTAIN = 1.3
"""A matter of this weight is understood, however little else was."""
_MOST = 30
"""Who says more than this without naming a matter has told of something, and an agent takes it in."""
_LEAST = 4
"""Fewer characters than this, greetings apart, tell nothing."""
_ANNOUNCEMENT = re.compile(
    r"(?:我|我们|本人)?(?:就是|就|是)?(?:想要|想|要|来|打电话)*(?:再)?(?:投诉|头诉|举报|反映|反应|咨询|求助|要求|问)(?:一下|下)?(?:一个|个)?"
)
_READ = 600
"""Characters by which it is said what a call is about."""
_CEREMONY = re.compile(
    rf"喂|你好|您好|哎|诶|嗯|啊|呀|呃|哦|那个|这个|就是|是的?|对|好的?|不好意思|话务员|同志|请问|(?:1|幺|一)(?:2|二|两)(?:3|三)(?:4|四)(?:5|五)|热线|市民|政府|"
    rf"听得到吗|听得见吗|听到了?吗|在吗|有人吗|谢谢|再见|我|想|要|说|说话|讲|一下|事|[吗呢吧了的噢哈嘛,，.。？?！!]|{GAP}"
)


def grounds_in(
    texts: Sequence[Piece],
    elements: Elements,
    intents: Sequence[Ranked],
    matters: Matters,
    jurisdiction: Jurisdiction,
    heard: Sequence[Heard],
) -> tuple[Ranked, ...]:
    """The grounds of refusal that something speaks for, the likeliest first, as the law stands on that day."""
    if not heard:
        return ()
    law = jurisdiction.law_at(heard[0].at)
    intent = intents[0].id if intents else ""
    tallies: dict[str, Tally] = {}
    for piece in texts:
        for said in _said(jurisdiction, piece.text):
            for code, weight in said.payloads:
                if code not in _NO_GROUNDS:
                    tallies.setdefault(code, Tally()).add(weight, said.phrase, piece.number)
                elif code == _ELSEWHERE and elements.recognised_place is None:
                    tallies.setdefault(_OUT_OF_AREA, Tally()).add(weight, said.phrase, piece.number)
    _add_likeness(tallies, _together(texts), matters)
    _add_place(tallies, texts, elements, jurisdiction)
    discipline = law.discipline
    if discipline and discipline.action == "refuse" and named(matters)[:1] and matters[0][0].id == _DISCIPLINE:
        tallies[discipline.ground or ""] = matters[0][1]
    found = [
        Ranked(
            ground.id,
            ground.text,
            tally.score,
            tally.all_words,
            f"来电说到{quoted(tally.all_words)}：{ground.text}（{ground.article}）；是否受理由坐席决定",
            tuple(tally.utterances),
        )
        for ground in law.refusal_grounds
        if (tally := tallies.get(ground.code)) and _applies(ground, intent)
    ]
    return tuple(sorted(found, key=lambda one: -one.score))


def _add_likeness(tallies: dict[str, Tally], piece: Piece, matters: Matters) -> None:
    """What the classifier says of a text: first whether it is refused at all, then on which ground."""
    if not piece.text:
        return
    scopes = {guess.id: guess.probability for guess in learned.scopes(piece.text)}
    if scopes.get(_REFERRED, 0) >= _LIKE_REFUSED:
        tallies.pop(_OUT_OF_AREA, None)
        return
    understood = bool(matters) and matters[0][1].weight >= _CERTAIN
    bar = _LIKE_REFUSED_THOUGH if understood else _LIKE_REFUSED
    if understood and matters[0][0].id == _DISCIPLINE:
        return
    guesses = learned.grounds(piece.text)
    together = sum(guess.probability for guess in guesses)
    for guess in guesses if scopes.get(REFUSE, 0) >= bar else ():
        if guess.words and guess.probability >= together / len(guesses):
            share = guess.probability / together
            tallies.setdefault(guess.id, Tally()).add_alike(2 * share, guess.words, piece.number)


def _add_place(
    tallies: dict[str, Tally], texts: Sequence[Piece], elements: Elements, jurisdiction: Jurisdiction
) -> None:
    """A place outside, unless the caller names one inside as well: then it may be where they come from."""
    place, said = elements.recognised_place, elements.place
    if place is None or said is None or not place.outside:
        return
    inside = any(
        phrase.place is not None and not phrase.place.outside
        for piece in texts
        for phrase in phrases_in(jurisdiction, piece.text)
    )
    for word in said.words:
        tallies.setdefault(_OUT_OF_AREA, Tally()).add(0.5 if inside else 2.0, word, said.utterances[0])


def scope_in(
    texts: Sequence[Piece],
    urgencies: Sequence[Ranked],
    matters: Matters,
    grounds: Sequence[Ranked],
    jurisdiction: Jurisdiction,
) -> tuple[Ranked, ...]:
    """The five answers that something speaks for, the likeliest first; accept is always among them."""
    article = jurisdiction.intake_scope[0].article
    ranked = [Ranked(ACCEPT, _NAMES[ACCEPT], _ORDINARY, (), f"没有听到不予受理的情形（{article}起）")]
    danger = next((one for one in urgencies if one.id == GUIDE), None)
    if danger:
        score = danger.score if danger.score >= _NOW else round(danger.score * _ORDINARY, 3)
        ranked.append(Ranked(EMERGENCY, _NAMES[EMERGENCY], score, danger.words, danger.reason, danger.utterances))
    if asked := _directory(texts, matters, jurisdiction):
        ranked.append(asked)
    if grounds:
        best = grounds[0]
        ranked.append(Ranked(REFUSE, _NAMES[REFUSE], best.score, best.words, best.reason, best.utterances))
    if not danger and not grounds and (unclear := _unclear(texts, matters, jurisdiction)):
        ranked.append(Ranked(CLARIFY, _NAMES[CLARIFY], unclear, (), f"没有听到要办的事（{article}起）"))
    if danger and danger.score >= _NOW:
        # Danger goes before every other answer.
        ranked = [one if one.score <= danger.score else replace(one, score=danger.score) for one in ranked]
    return tuple(sorted(ranked, key=lambda one: (one.id != EMERGENCY or one.score < _NOW, -one.score)))


def _unclear(texts: Sequence[Piece], matters: Matters, jurisdiction: Jurisdiction) -> float:
    """How sure it is that nobody knows yet what the caller wants: 0 when a matter was named."""
    if named(matters)[:1] and matters[0][1].weight >= _CERTAIN:
        return 0.0
    said = sum(_told(piece.text) for piece in texts)
    if said < _LEAST:
        return 0.9
    if said > _MOST:
        return 0.0
    words = [found for piece in texts for found in _said(jurisdiction, piece.text) if (_UNCLEAR, 1.0) in found.payloads]
    like = max((one.probability for one in learned.scopes(_together(texts).text) if one.id == CLARIFY), default=0.0)
    if words:
        return 0.7
    return round(max(like, _LIKELY), 3) if like >= _LIKE else 0.0


def _directory(texts: Sequence[Piece], matters: Matters, jurisdiction: Jurisdiction) -> Ranked | None:
    """What a directory answers (YZ-31): a shop's number, a timetable; the numbers of offices the hotline knows."""
    tally = Tally()
    for piece in texts:
        for said in _said(jurisdiction, piece.text):
            if (_ASKED, 1.0) in said.payloads:
                tally.add(1.0, said.phrase, piece.number)
    numbers = {gap.line for gap in jurisdiction.gaps if gap.id == "directory"}
    if matters and matters[0][0].line in numbers:
        tally.weight += matters[0][1].weight
        tally.words.update(dict.fromkeys(matters[0][1].all_words))
        tally.utterances.update(matters[0][1].utterances)
    whole = _together(texts)
    for guess in learned.scopes(whole.text) if whole.text else ():
        if guess.id == DIRECTORY and guess.probability >= _LIKE and guess.words:
            tally.add_alike(max(guess.probability, 0.8), guess.words, whole.number)
    if not tally.weight or not numbers:
        return None
    line = next(line for line in jurisdiction.lines if line.number in numbers)
    reason = f"来电说到{quoted(tally.all_words)}，由{line.number}（{line.name}）答复（{line.article}）"
    return Ranked(DIRECTORY, _NAMES[DIRECTORY], tally.score, tally.all_words, reason, tuple(tally.utterances))


def _together(texts: Sequence[Piece]) -> Piece:
    """All that was said, as one: a name or a number alone sounds like anything.

    Announcements (我要投诉) are left out: they are in what is refused and in what is not, and say nothing.
    """
    said = "，".join(piece.text for piece in texts)[:_READ]
    return Piece(texts[0].number if texts else 0, _ANNOUNCEMENT.sub(GAP, said).strip(GAP))


def _applies(ground: RefusalGround, intent: str) -> bool:
    return not ground.applies.intents or intent in ground.applies.intents


@lru_cache(maxsize=4096)
def _told(text: str) -> int:
    """How many characters are left without greetings."""
    return len(_CEREMONY.sub("", text))


@lru_cache(maxsize=4096)
def _said(jurisdiction: Jurisdiction, text: str) -> tuple[Found[tuple[str, float]], ...]:
    return tuple(_wordings(jurisdiction).find(text))


@lru_cache(maxsize=8)
def _wordings(jurisdiction: Jurisdiction) -> Wordings[tuple[str, float]]:
    words = jurisdiction.scope_words
    return Wordings(
        [
            *((word, (ground.code, ground.weight)) for ground in words.grounds for word in ground.words),
            *((word, (_ELSEWHERE, 1.0)) for word in words.elsewhere),
            *((word, (_ASKED, 1.0)) for word in words.directory),
            *((word, (_UNCLEAR, 1.0)) for word in words.unclear),
        ]
    )
