"""What the classifier makes of an utterance: how near it is to sentences whose matter, intent and danger are known.

It stands beside the words of config/ and adds what they miss. Linear throughout, so that every guess names the
characters that decided it. The weights (weights.json.gz) are made from data/sentences by `routing.reading.training`.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from pypinyin import Style, pinyin

from routing.reading.spoken import GAP, plain

WEIGHTS = Path(__file__).with_name("weights.json.gz")

SCALE = 100
"""Weights are kept as whole hundredths: a third of the size, and the same bytes from every machine."""

WINDOW = 40
"""Characters in which danger is looked for together: in a long speech it is one clause, and the rest must not outvote
it. Shorter windows hear more, and are alarmed by more."""
_STEP = 20
_LONGEST = 600
"""Characters from which a matter is guessed: what a call is about is said by then."""

_SHOWN = 5
_DECIDING = 3
"""How many stretches of the text a guess shows as its reason."""


@dataclass(frozen=True)
class Guess:
    """`probability` is 0-1; `words`: the stretches of the plain text that speak for it most, the weightiest first."""

    id: str
    probability: float
    words: tuple[str, ...]


@dataclass(frozen=True)
class Trait:
    """Something about a text that carries weight: `key` names it, characters `start` to `end` show it."""

    key: str
    start: int
    end: int


def traits(text: str) -> Iterator[Trait]:
    """Characters, pairs, pairs with one between, and the sounds of pairs (a recogniser writes 水楠 for 水南)."""
    sounds = [_sound(character) for character in text]
    last = len(text) - 1
    for start, character in enumerate(text):
        if character == GAP:
            continue
        yield Trait(character, start, start + 1)
        if start < last and text[start + 1] != GAP:
            yield Trait(text[start : start + 2], start, start + 2)
            yield Trait(f"{sounds[start]} {sounds[start + 1]}", start, start + 2)
        if start + 1 < last and GAP not in text[start : start + 3]:
            yield Trait(f"{character}_{text[start + 2]}", start, start + 3)


def word_traits(text: str) -> Iterator[Trait]:
    """The characters and pairs alone: with a dozen sentences a matter, anything finer is chance."""
    for start, character in enumerate(text):
        if character == GAP:
            continue
        yield Trait(character, start, start + 1)
        if start + 1 < len(text) and text[start + 1] != GAP:
            yield Trait(text[start : start + 2], start, start + 2)


def danger(text: str) -> tuple[Guess, ...]:
    """The emergency lines that an utterance calls for, the likeliest first; each with its probability."""
    return _group(_windows(plain(text)), "lines")


def urgency(text: str) -> tuple[Guess, ...]:
    """How urgent: ids of the urgencies that are not the ordinary one, the likeliest first."""
    return _group(_windows(plain(text)), "urgency")


def intents(text: str) -> tuple[Guess, ...]:
    """The intents, the likeliest first."""
    return _group((plain(text)[:_LONGEST],), "intent")


def scopes(text: str) -> tuple[Guess, ...]:
    """What becomes of the call (accept, refuse, transfer_114, clarify, ...), the likeliest first."""
    return _group((plain(text)[:_LONGEST],), "scope")


def grounds(text: str) -> tuple[Guess, ...]:
    """The grounds of refusal by their codes, the likeliest first."""
    return _group((plain(text)[:_LONGEST],), "ground")


@lru_cache(maxsize=4096)
def matters(text: str) -> tuple[Guess, ...]:
    """The matters that the utterance is nearest to, at most five; their probabilities are shares of all matters."""
    weights = _weights()
    scores: dict[int, int] = {}
    spoken: dict[int, list[tuple[int, Trait]]] = {}
    seen: set[str] = set()
    for trait in word_traits(plain(text)[:_LONGEST]):
        if trait.key in seen or trait.key not in weights.matters:
            continue
        seen.add(trait.key)
        for matter, weight in _pairs(weights.matters[trait.key]):
            scores[matter] = scores.get(matter, 0) + weight
            spoken.setdefault(matter, []).append((weight, trait))
    if not scores:
        return ()
    best = sorted(scores, key=lambda matter: (-scores[matter], matter))[:_SHOWN]
    highest = scores[best[0]]
    warmth = weights.warmth * SCALE
    total = sum(math.exp((score - highest) / warmth) for score in scores.values())
    total += (len(weights.matter_ids) - len(scores)) * math.exp(-highest / warmth)
    return tuple(
        Guess(
            weights.matter_ids[matter],
            round(math.exp((scores[matter] - highest) / warmth) / total, 4),
            _deciding(plain(text), spoken[matter]),
        )
        for matter in best
    )


@lru_cache(maxsize=8192)
def _group(windows: tuple[str, ...], group: str) -> tuple[Guess, ...]:
    """The heads of a group, each at the window where it is surest."""
    heads = _weights().groups[group]
    best: dict[int, tuple[int, str, list[Trait]]] = {}
    for window in windows:
        scores, spoken = _scores(window)
        for _, head in heads:
            if head not in best or scores[head] > best[head][0]:
                best[head] = (scores[head], window, spoken)
    # Who looks at ten windows is alarmed by one of them ten times as often.
    looks = round(math.log(len(windows)) * SCALE)
    guesses = []
    for name, head in heads:
        score, window, spoken = best[head]
        guesses.append(Guess(name, _probability(score - looks), _deciding(window, list(_for(head, spoken)))))
    return tuple(sorted(guesses, key=lambda guess: -guess.probability))


@lru_cache(maxsize=4096)
def _scores(window: str) -> tuple[list[int], list[Trait]]:
    """The score of every head, and the traits of the window that carry weight."""
    weights = _weights()
    scores = list(weights.biases)
    spoken: list[Trait] = []
    seen: set[str] = set()
    for trait in traits(window):
        if trait.key in seen or trait.key not in weights.traits:
            continue
        seen.add(trait.key)
        spoken.append(trait)
        for head, weight in _pairs(weights.traits[trait.key]):
            scores[head] += weight
    return scores, spoken


def _for(head: int, spoken: list[Trait]) -> Iterator[tuple[int, Trait]]:
    """What speaks for a head, and by how much."""
    stored = _weights().traits
    for trait in spoken:
        for other, weight in _pairs(stored[trait.key]):
            if other == head and weight > 0:
                yield weight, trait


def _pairs(stored: list[int]) -> Iterator[tuple[int, int]]:
    return zip(stored[::2], stored[1::2], strict=True)


def _probability(score: int) -> float:
    return round(1 / (1 + math.exp(-score / SCALE)), 4)


def _windows(text: str) -> tuple[str, ...]:
    if len(text) <= WINDOW + _STEP:
        return (text,)
    return tuple(text[start : start + WINDOW] for start in range(0, len(text) - _STEP, _STEP))


def _deciding(text: str, weighed: list[tuple[int, Trait]]) -> tuple[str, ...]:
    """The stretches of the text that carry the most weight: each character bears its traits' shares."""
    if not weighed:
        return ()
    borne = [0.0] * len(text)
    for weight, trait in weighed:
        for position in range(trait.start, trait.end):
            borne[position] += weight / (trait.end - trait.start)
    bar = max(borne) / 3
    stretches: list[tuple[float, str]] = []
    start = 0
    for position in range(len(text) + 1):
        if position == len(text) or borne[position] < bar:
            if start < position:
                stretches.append((sum(borne[start:position]), text[start:position]))
            start = position + 1
    stretches.sort(key=lambda one: -one[0])
    return tuple(dict.fromkeys(words for _, words in stretches))[:_DECIDING]


@lru_cache(maxsize=8192)
def _sound(character: str) -> str:
    return pinyin(character, style=Style.NORMAL, errors=lambda other: other)[0][0]


@dataclass(frozen=True)
class _Weights:
    """In hundredths. `traits` and `matters` as they are stored: which, how much, which, how much, ...; to turn 40,000
    of them into something handier would take longer than reading them."""

    groups: dict[str, list[tuple[str, int]]]
    """Of each group the heads, and their places in `biases`."""
    biases: list[int]
    traits: dict[str, list[int]]
    matter_ids: list[str]
    matters: dict[str, list[int]]
    warmth: float
    """By how much scores differ that make one matter e times as likely as another; not in hundredths."""


@lru_cache(maxsize=1)
def _weights() -> _Weights:
    data = read_weights()
    return _Weights(**{field.name: data[field.name] for field in fields(_Weights)})


def read_weights(path: Path = WEIGHTS) -> dict[str, Any]:
    """The weights as they are stored."""
    data: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return data
