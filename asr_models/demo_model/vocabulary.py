"""Which words the demo model knows, and texts in which they are said.

Places, units, and the everyday words of matters and dangers come from the jurisdictions' files, sentences from
data/sentences/, the rest from vocabulary.yaml beside this file. All is cut into words by jieba.
"""

from __future__ import annotations

import hashlib
import logging
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jieba
import yaml
from pydantic import BaseModel, ConfigDict, Field

from asr_models.errors import ModelError

PLACE, UNIT, SURNAME, DIGIT = "place", "unit", "surname", "digit"
"""Classes that are known beforehand; the others are found in the texts."""

_LONGEST_NAME = 6
"""Hanzi. A longer name is said in several words: 三亚市·崖州区·人民政府."""
_HELD_OUT = 13
"""Of 256 sentences, so many are kept out of the language, to measure with."""
_EXPANSIONS = 20
"""How many sentences are made of a pattern of weight 1."""

_WORDS = 5050
"""How many words the model knows beside the names; the size of the graph decides."""

_HANZI = re.compile(r"[\u4e00-\u9fff]+")
_SLOT = re.compile(r"\{(\w+)\}")
_NUMERALS = frozenset("零一二三四五六七八九十百千万亿两幺半")
_PHRASES = frozenset(
    [
        "words",
        "hints",
        "leads",
        "also",
        "in_context",
        "harmless",
        "past",
        "office",
        "acute",
        "identity",
        "content",
        "anonymous",
        "directory",
        "elsewhere",
    ]
)
"""Keys of a jurisdiction's file under which callers' words are listed."""
_INTENT = re.compile(r"[a-z_]+: ")


@dataclass(frozen=True)
class Token:
    """A word in a text; `kind`: the class that it is known to be of, or "" when that is to be found."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Text:
    """Words one after the other. `whole`: it is all that is said at once; else a phrase inside something."""

    tokens: tuple[Token, ...]
    weight: float
    whole: bool


@dataclass(frozen=True)
class Vocabulary:
    """The texts to learn from, the names of each known class, and sentences that stay unseen."""

    texts: tuple[Text, ...]
    names: dict[str, tuple[str, ...]]
    unseen: tuple[str, ...]


class _Slot(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    digits: bool = False
    values: tuple[str, ...] = Field(min_length=1)


class _Patterns(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    weight: float = Field(gt=0)
    texts: tuple[str, ...]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    slots: dict[str, _Slot | tuple[str, ...]]
    lines: tuple[_Patterns, ...]

    def values(self, slot: str) -> tuple[str, ...]:
        found = self.slots[slot]
        return found.values if isinstance(found, _Slot) else found


def collect(jurisdictions: Path, sentences: Path, seed: int) -> Vocabulary:
    """All words and texts. `seed` decides what patterns are filled with. Raises ModelError naming a bad file."""
    own = _File.model_validate(_yaml(Path(__file__).with_name("vocabulary.yaml")))
    places: set[str] = set()
    units: set[str] = set()
    phrases: set[str] = set()
    for path in sorted(jurisdictions.glob("*.yaml")):
        content = _yaml(path)
        for place in content.get("places", []):
            places.update(_hanzi(place["name"], *place.get("also", []), *place.get("in_context", [])))
        groups = content.get("unit_groups", [])
        for unit in [*(unit for group in groups for unit in group["units"]), *content.get("outside_units", [])]:
            units.update(_hanzi(unit["name"], unit["short"], *unit.get("words", [])))
        for key in ("name", "centre"):
            phrases.update(_hanzi(content[key]))
        phrases.update(_hanzi(*_phrases(content)))
    units -= places
    said, unseen = _divided(_said(sentences))
    cutter = _Cutter(
        {
            PLACE: frozenset(name for name in places if len(name) <= _LONGEST_NAME),
            UNIT: frozenset(name for name in units if len(name) <= _LONGEST_NAME),
        }
    )
    texts = [Text(cutter.cut(part), 1.0, whole=True) for text in said for part in _hanzi(text)]
    texts += [Text(cutter.cut(name), 0.3, whole=False) for name in sorted(places | units | phrases)]
    texts += _expanded(own, cutter, random.Random(seed))
    names = {kind: tuple(sorted(known)) for kind, known in cutter.names.items()}
    names[SURNAME] = own.values(SURNAME)
    names[DIGIT] = (*own.values(DIGIT), "幺")
    return Vocabulary(tuple(_in_known_words(texts)), names, tuple(unseen))


def general_frequency() -> dict[str, int]:
    """How often a word is said in the language at large, by jieba's dictionary."""
    return {word: count for word, count, _ in dictionary()}


@cache
def dictionary() -> tuple[tuple[str, int, str], ...]:
    """jieba's dictionary: word, how often it was counted, part of speech."""
    lines = (Path(jieba.__file__).parent / "dict.txt").read_text(encoding="utf-8").splitlines()
    parts = (line.split() for line in lines)
    return tuple((word, int(count), speech) for word, count, speech in parts)


def _in_known_words(texts: Sequence[Text]) -> list[Text]:
    """The texts in no more than _WORDS words beside names: a rarer one becomes the longest ones that it holds."""
    counts: dict[str, float] = defaultdict(float)
    for text in texts:
        for token in text.tokens:
            if not token.kind:
                counts[token.text] += text.weight
    general = general_frequency()
    ranked = sorted(counts, key=lambda word: (-counts[word] // 1, -general.get(word, 0), word))
    known = frozenset(ranked[:_WORDS])
    cut = {word: _pieces(word, known) for word in ranked[_WORDS:]}
    return [
        Text(
            tuple(
                piece for token in text.tokens for piece in ((token,) if token.kind else cut.get(token.text, (token,)))
            ),
            text.weight,
            text.whole,
        )
        for text in texts
    ]


def _pieces(word: str, known: frozenset[str]) -> tuple[Token, ...]:
    found: list[Token] = []
    while word:
        length = next((length for length in range(len(word), 1, -1) if word[:length] in known), 1)
        found.append(Token(word[:length]))
        word = word[length:]
    return tuple(found)


class _Cutter:
    """Cuts text into words: names of known classes as they stand, numerals one by one, the rest as jieba does."""

    def __init__(self, names: dict[str, frozenset[str]]) -> None:
        self.names = names
        self._jieba = jieba.Tokenizer()
        jieba.setLogLevel(logging.WARNING)
        for known in names.values():
            for word in sorted(known):
                # A name beats the words that it is made of.
                self._jieba.add_word(word, freq=max(5000, self._jieba.suggest_freq(word)))

    def cut(self, text: str) -> tuple[Token, ...]:
        tokens: list[Token] = []
        for word in self._jieba.cut(text, HMM=False):
            kind = next((kind for kind, known in self.names.items() if word in known), "")
            if not kind and len(word) > 1 and _NUMERALS.issuperset(word):
                tokens += [Token(character) for character in word]
            else:
                tokens.append(Token(word, kind))
        return tuple(tokens)


def _expanded(own: _File, cutter: _Cutter, chance: random.Random) -> list[Text]:
    known = {kind: sorted(names) for kind, names in cutter.names.items()}
    made: list[Text] = []
    for patterns in own.lines:
        for pattern in patterns.texts:
            pieces = _SLOT.split(pattern)
            for _ in range(round(patterns.weight * _EXPANSIONS)):
                tokens: list[Token] = []
                for number, piece in enumerate(pieces):
                    if number % 2 == 0:
                        tokens += cutter.cut(piece) if piece else ()
                    elif piece in known:
                        tokens.append(Token(chance.choice(known[piece]), piece))
                    else:
                        tokens += _filled(own, piece, cutter, chance)
                made.append(Text(tuple(tokens), 1.0, whole=True))
    return made


def _filled(own: _File, slot: str, cutter: _Cutter, chance: random.Random) -> Sequence[Token]:
    value = chance.choice(own.values(slot))
    if slot == SURNAME:
        return [Token(value, SURNAME)]
    found = own.slots[slot]
    if slot in (DIGIT, "mobile", "eight"):
        # A digit of a telephone number; one in a dozen ones is said 幺.
        value = value if chance.random() > 1 / 12 else value.replace("一", "幺")
        return [Token(character, DIGIT) for character in value]
    if isinstance(found, _Slot) and found.digits:
        return [Token(character) for character in value]
    return cutter.cut(value)


def _said(sentences: Path) -> Iterator[str]:
    """What callers say in the sentences' files: `say` of a list's entries, or lists of "intent: text"."""
    for path in sorted(sentences.glob("*.yaml")):
        yield from (_INTENT.sub("", text, count=1) for text in _texts(_yaml(path)))


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for item in content:
            yield from _texts(item)
    elif isinstance(content, dict):
        if "say" in content:
            yield content["say"]
        else:
            for value in content.values():
                yield from _texts(value)


def _divided(said: Iterable[str]) -> tuple[list[str], list[str]]:
    learned: list[str] = []
    unseen: list[str] = []
    for text in said:
        held_out = hashlib.sha256(text.encode()).digest()[0] < _HELD_OUT
        (unseen if held_out else learned).append(text)
    return learned, unseen


def _phrases(content: Any, key: str = "") -> Iterator[str]:
    """Every word that stands under one of _PHRASES, wherever that is, and the names of matters."""
    if isinstance(content, dict):
        for inner, value in content.items():
            if inner == "matters":
                yield from (matter["name"] for matter in value)
            yield from _phrases(value, inner)
    elif isinstance(content, list):
        for item in content:
            yield from _phrases(item, key)
    elif isinstance(content, str) and key in _PHRASES:
        # Alternatives and gaps, as a jurisdiction's file writes them.
        yield from re.split(r"[/…]", content)


def _hanzi(*texts: str) -> list[str]:
    return [part for text in texts for part in _HANZI.findall(text)]


def _yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as problem:
        raise ModelError(f"{path} cannot be read: {problem}") from problem
