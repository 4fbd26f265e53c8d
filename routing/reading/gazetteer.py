"""The names of places in a text: as they are spelt, or as they sound where the recogniser wrote other characters.

Two names that are the same without 村, 社区, 区, 县 (海棠村, 海棠区), or that sound nearly alike (镇海, 深海), are
never chosen between: a mention that fits both carries all of them as candidates, to be asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from pypinyin import lazy_pinyin

from routing.jurisdiction import Jurisdiction, Place
from routing.reading.spoken import Phrases
from routing.reading.spoken_numbers import COUNT


@dataclass(frozen=True)
class Mention:
    """One name in a plain text. `written`: as it belongs into the ticket; `candidates`: empty when `place` is sure."""

    start: int
    end: int
    place: Place
    written: str
    confidence: float
    candidates: tuple[Place, ...] = ()


EXACT, IN_CONTEXT, BY_SOUND, BY_LIKE_SOUND, AMBIGUOUS = 0.9, 0.8, 0.7, 0.55, 0.5
_KIND_WORTH = {"generic": 0.45, "district": 0.5, "road": 0.8}
"""A district or a school alone says little; the other kinds are worth what their recognition is worth."""

_BEFORE = re.compile(
    r"(?:在|住|到|来|去|从|往|我们|我家|地址|位于|于|就|是|崖州区?|崖城镇?|三亚市?|和|跟|靠近|不对|错了|不是|哦不|应该)$"
)
_BEFORE_SOUND = re.compile(r"(?:在|住|到|位于|崖州区?|我们|靠近|我是)$")
_AFTER = re.compile(
    r"(?:大社区|社区|村|这边|那边|这里|那里|这儿|那儿|附近|路口|小区|市场|菜市场|农贸市场|门口|居委会|这一带|那一带|旁边|对面|小学|中学|"
    r"幼儿园|卫生院|卫生室|卫生所|派出所|码头|桥头|大桥|篮球场|文化室|[那这](?:个|条|家|座|户|里|一带|块|片)|进去|出去|海边|河边|安置|安居|[一二三四五六七八九十\d]+(?:组|队|巷|街|路))"
)
_GOES_ON = re.compile(
    r"$|[啊吧呢呀的哦没停断着失又也都就往口好两被积漏堵淹臭吵]|有(?:人|个|一|条|家|户|辆|台|好|很)|这|那|全村|全区|上面|下面|靠|过去|老人|"
    r"一直|天天|每天|最近|昨|今|晚上|半夜|刚|什么时候|发生|水|电|路|垃圾|网|信号|百姓|居民|村民|业主"
)
"""What callers say after the name of a place."""
_LIVES = re.compile(r"(?:我们|我是|我家|住|住在|在|咱们|^)$")
_ANSWER_END = re.compile(r"[啊吧呢呀的哦]*$")
_DISTANCE = re.compile(r"(?:离|距|距离|有|走|约|近|开|前|后|再|过|才|差不多|里|家)$")
_MEASURE = re.compile(rf"{COUNT}(?:公里|里|米)")
_AROUND = 24
"""So many characters before a name can say what it is."""
_LONE = re.compile(r"^(?:喂|你好|您好|嗯|呃|啊|那个|我想|我要|反映|投诉|一下|说|这个|我们|是|就是)*$")

_WORD = re.compile(r"^(\S{2,4}) (\d+)", re.MULTILINE)
_SUFFIX = re.compile(r"(?:大社区|社区|居委会|村委会|村|镇|区|县|市|居)$")
_KINDS_OF_SUFFIX: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = (
    (
        re.compile(rf"村|社区|居委会|大社区|的?{COUNT}(?:组|队|村民小组)"),
        frozenset({"village", "community", "big_community"}),
    ),
    (re.compile(r"[区县市]"), frozenset({"district"})),
)
_INSIDE = re.compile(r"(?:崖州区?|崖城镇?)的?$")


@dataclass(frozen=True)
class _Sounded:
    """A spelling and how it sounds: exactly, and as southern speech runs sounds together."""

    spelling: str
    place: Place
    needs_context: bool
    exact: tuple[str, ...]
    folded: tuple[str, ...]


@dataclass(frozen=True)
class _Gazetteer:
    spelt: Phrases[tuple[Place, bool]]
    by_first: dict[str, tuple[_Sounded, ...]]
    """By the folded first syllable, the longest first."""
    homonyms: dict[str, tuple[Place, ...]]
    """The places that a name without its suffix may mean, by that name; only where there are several."""
    near: dict[str, tuple[Place, ...]]
    """The other places that sound nearly like a name without its suffix."""


def mentions_in(jurisdiction: Jurisdiction, text: str) -> list[Mention]:
    """All names of the gazetteer in a plain text, from left to right."""
    gazetteer = _gazetteer(jurisdiction)
    mentions: list[Mention] = []
    for found in gazetteer.spelt.find(text):
        place, needs_context = found.payloads[0]
        if needs_context and not _in_context(text, found.start, found.end, mentions):
            continue
        candidates, chosen = _meant(gazetteer, found.phrase, place, text, found.start, found.end)
        recognised = AMBIGUOUS if candidates else IN_CONTEXT if needs_context else EXACT
        worth = min(recognised, _KIND_WORTH.get(chosen.kind, recognised))
        mentions.append(Mention(found.start, found.end, chosen, found.phrase, worth, candidates))
    by_sound = _by_sound(gazetteer, text, mentions)
    covered = bytearray(len(text))
    for one in by_sound:
        covered[one.start : one.end] = b"\1" * (one.end - one.start)
    kept = [one for one in mentions if one.place.kind != "generic" or not any(covered[one.start : one.end])]
    return sorted([*kept, *by_sound], key=lambda mention: mention.start)


def candidates_of(jurisdiction: Jurisdiction, name: str) -> tuple[Place, ...]:
    """The places that a bare name such as 海棠 may mean; empty when it means one, or none."""
    return _gazetteer(jurisdiction).homonyms.get(name, ())


def _meant(
    gazetteer: _Gazetteer, name: str, place: Place, text: str, start: int, end: int
) -> tuple[tuple[Place, ...], Place]:
    """The candidates (empty: sure) and the one that stands for them, by what is said around the name."""
    options = gazetteer.homonyms.get(name, (place,))
    if place.name == name and any(spelling.endswith("镇") for spelling in place.also):
        # 崖城 is a town, and 崖城村 a part of it.
        options = (place,)
    near = gazetteer.near.get(name, ())
    if len(options) == 1 and not near:
        return (), place
    if _INSIDE.search(text[max(0, start - _AROUND) : start]):
        options = tuple(one for one in options if not one.outside) or options
    for pattern, kinds in _KINDS_OF_SUFFIX:
        if pattern.match(text, end):
            # 深海村 may be 深海社区 or 镇海村; 海棠社区 can only be 海棠村.
            options = tuple(one for one in options if one.kind in kinds) or options
            near = tuple(one for one in near if one.kind in kinds)
            break
    options = (*options, *near)
    return (options, place) if len(options) > 1 else ((), options[0])


def _by_sound(gazetteer: _Gazetteer, text: str, spelt: list[Mention]) -> list[Mention]:
    """Names written with other characters of the same sound, or of one that southern speech does not tell apart."""
    found: list[Mention] = []
    taken = bytearray(len(text))
    for one in spelt:
        if one.place.kind != "generic":
            taken[one.start : one.end] = b"\1" * (one.end - one.start)
    exact = syllables(text)
    folded = tuple(map(_folded, exact))
    for start, first in enumerate(folded):
        for entry in gazetteer.by_first.get(first, ()):
            end = start + len(entry.folded)
            if folded[start:end] != entry.folded or any(taken[start:end]):
                continue
            if text.startswith(entry.spelling, start):
                # Spelt so, and not taken for the place by what is around it.
                continue
            same_sound = exact[start:end] == entry.exact
            if not _heard_there(text, start, end, entry, same_sound):
                continue
            candidates, chosen = _meant(gazetteer, _stem(entry.spelling), entry.place, text, start, end)
            if _SUFFIX.search(entry.spelling) and len(entry.spelling) > 2 and entry.place.kind != "district":
                # The suffix was spoken: 振海村 is 镇海村, not 深海社区.
                candidates, chosen = (), entry.place
            worth = BY_SOUND if same_sound and len(entry.exact) > 2 else BY_LIKE_SOUND
            worth = AMBIGUOUS if candidates else min(worth, _KIND_WORTH.get(chosen.kind, worth))
            written = text[start:end] if candidates else entry.spelling
            found.append(Mention(start, end, chosen, written, worth, candidates))
            taken[start:end] = b"\1" * (end - start)
            break
    return found


def _heard_there(text: str, start: int, end: int, entry: _Sounded, same_sound: bool) -> bool:
    """Whether what is around a sound speaks for a place; the more, the less the sound itself says."""
    suffix = _SUFFIX.search(entry.spelling)
    if len(entry.spelling) > 2 and suffix and text.endswith(suffix.group(), start, end):
        return True
    if entry.place.kind in _BUILT and len(entry.spelling) < _LONG_ENOUGH:
        # 营网塔 is 迎旺塔; 去医院 is no 区医院.
        return same_sound and text[end - 1] == entry.spelling[-1] and not _ordinary(text, start, end)
    if len(entry.spelling) > 2:
        return same_sound or len(entry.spelling) >= _LONG_ENOUGH
    before = bool(_BEFORE_SOUND.search(text[max(0, start - _AROUND) : start]))
    after, alone = bool(_AFTER.match(text, end)), _alone(text, start)
    if after and (before or (alone and same_sound)):
        return True
    goes_on, plainly = before or (alone and same_sound), same_sound and not entry.needs_context
    fits = after or (goes_on and bool(_GOES_ON.match(text, end))) or (plainly and bool(_ANSWER_END.match(text, end)))
    return fits and not _ordinary(text, start, end)


_BUILT, _LONG_ENOUGH = ("facility", "road"), 4
"""Buildings and roads of short names are not looked for by their sound: 去医院 is no 区医院."""

_ALSO_READ = {"长": "chang"}
"""Characters of names whose other reading is as likely as the one that the dictionary of sounds gives."""

_RARE = 20
"""A word that the dictionary has seen less often than this is no ordinary word."""


@lru_cache(maxsize=1)
def _dictionary() -> frozenset[str]:
    """The usual words of two to four characters of jieba's dictionary, read when a doubtful name first needs it.

    Only the list: the segmenter itself takes some hundred milliseconds more to load and says nothing more here.
    """
    listed = files("jieba").joinpath("dict.txt").read_text("utf-8")
    return frozenset(word for word, seen in _WORD.findall(listed) if int(seen) >= _RARE)


def load_words() -> None:
    """Read the list of words now (0.3 s) instead of when a doubtful name first needs it."""
    _dictionary()


def is_word(text: str) -> bool:
    """Whether the characters are an ordinary word."""
    return text in _dictionary()


def _ordinary(text: str, start: int, end: int) -> bool:
    """Whether the characters are an ordinary word (确信) or parts of such (吃水|难): no place that was misheard."""
    return text[start:end] in _dictionary() or _across_words(text, start, end)


@lru_cache(maxsize=4096)
def _across_words(text: str, start: int, end: int) -> bool:
    """Whether an ordinary word begins or ends within: 大蛋 in 大|蛋糕, 三更 in 三更半夜."""
    words = _dictionary()
    return any(
        text[since:to] in words
        for since in range(max(0, start - 3), end)
        for to in range(max(since + 2, start + 1), min(since + 4, len(text)) + 1)
        if since < start or to > end
    )


def _in_context(text: str, start: int, end: int, before: list[Mention]) -> bool:
    around = text[max(0, start - _AROUND) : start]
    if _MEASURE.fullmatch(text, start, end):
        # 三公里那边 is the village, 离这里三公里 a distance.
        there = _AFTER.match(text, end) or (_LIVES.search(around) and _GOES_ON.match(text, end))
        return bool(there) and not _DISTANCE.search(around)
    follows_a_place = bool(before) and before[-1].end == start
    if follows_a_place or _AFTER.match(text, end):
        return True
    likely = _BEFORE.search(around) or _GOES_ON.match(text, end)
    return bool(likely) and not _across_words(text, start, end)


def _alone(text: str, start: int) -> bool:
    """Whether nothing but a greeting is said before."""
    return start <= _AROUND and bool(_LONE.match(text[:start]))


@lru_cache(maxsize=8)
def _gazetteer(jurisdiction: Jurisdiction) -> _Gazetteer:
    spelt: dict[str, tuple[Place, bool]] = {}
    by_stem: dict[str, dict[str, Place]] = {}
    sounded: list[_Sounded] = []
    for place in jurisdiction.places:
        for spelling, needs_context in _spellings(place):
            spelt[spelling] = (place, needs_context)
            if place.kind == "generic" or (place.kind in _BUILT and len(spelling) < _LONG_ENOUGH - 1):
                continue
            sounded.extend(_sounded(spelling, place, needs_context))
            if place.kind not in _BUILT:
                by_stem.setdefault(_stem(spelling), {})[place.name] = place
    homonyms = {stem: tuple(those.values()) for stem, those in by_stem.items() if len(those) > 1}
    for stem, those in homonyms.items():
        if stem not in spelt:
            spelt[stem] = (those[0], True)
            sounded.extend(_sounded(stem, those[0], True))
    first: dict[str, list[_Sounded]] = {}
    for entry in sorted(sounded, key=lambda entry: -len(entry.folded)):
        if not entry.place.outside:
            first.setdefault(entry.folded[0], []).append(entry)
    return _Gazetteer(
        spelt=Phrases(spelt.items()),
        by_first={syllable: tuple(those) for syllable, those in first.items()},
        homonyms=homonyms,
        near=_near(by_stem),
    )


def _near(by_stem: dict[str, dict[str, Place]]) -> dict[str, tuple[Place, ...]]:
    by_sound: dict[tuple[str, ...], set[str]] = {}
    for stem in by_stem:
        by_sound.setdefault(_wide(syllables(stem)), set()).add(stem)
    near: dict[str, tuple[Place, ...]] = {}
    for alike in by_sound.values():
        for stem in alike:
            others = [one for other in sorted(alike - {stem}) for one in by_stem[other].values()]
            inside = tuple(one for one in others if not one.outside and one.name not in by_stem[stem])
            if inside:
                near[stem] = inside
    return near


def _spellings(place: Place) -> Iterable[tuple[str, bool]]:
    yield place.name, False
    for spelling in place.also:
        yield spelling, False
    for spelling in place.in_context:
        yield spelling, True


def _stem(name: str) -> str:
    """A name without its suffix: 海棠 of 海棠村 and of 海棠区; a name of which little would be left stays whole."""
    shorter = _SUFFIX.sub("", name)
    return shorter if len(shorter) > 1 else name


def _sounded(spelling: str, place: Place, needs_context: bool) -> Iterable[_Sounded]:
    usual = syllables(spelling)
    readings = {usual, tuple(_ALSO_READ.get(one, said) for one, said in zip(spelling, usual, strict=True))}
    for exact in sorted(readings):
        yield _Sounded(spelling, place, needs_context, exact, tuple(map(_folded, exact)))


def syllables(text: str) -> tuple[str, ...]:
    """One entry a character, so that positions are the text's; what is no Chinese character stands for itself."""
    return tuple(lazy_pinyin(text, errors=_one_by_one))


def _one_by_one(characters: str) -> Any:
    # pypinyin takes a list here (one entry a character), though its annotation says str.
    return list(characters)


@lru_cache(maxsize=2048)
def _folded(syllable: str) -> str:
    """A syllable as southern speech says it: no retroflex, n for l, f for hu, no g after in, en and an."""
    for said, meant in (("zh", "z"), ("ch", "c"), ("sh", "s"), ("l", "n"), ("hu", "f"), ("r", "n")):
        if syllable.startswith(said) and syllable != said:
            syllable = meant + syllable[len(said) :]
            break
    return re.sub(r"(?<=[iea])ng$", "n", syllable)


def _wide(sounds: tuple[str, ...]) -> tuple[str, ...]:
    """Wider still: hissing and hard initials are not told apart either; two such names are never chosen between."""
    alike = str.maketrans({"z": "s", "c": "s", "q": "j", "p": "b", "t": "d", "k": "g"})
    return tuple(_folded(sound)[:1].translate(alike) + _folded(sound)[1:] for sound in sounds)
