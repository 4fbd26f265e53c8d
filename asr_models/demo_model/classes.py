"""Learns the language of a vocabulary's texts: into which classes its words fall, and which class follows which.

A few thousand sentences say too little about which word follows which, and enough about which class does. Classes
that are known beforehand (places, units, surnames, digits) stay; words that are heard often are exchanged between
classes until the classes foretell each other best; rare words form classes by their part of speech, which new words
and the words of the general language join.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from asr_models.demo_model.corpus import characters
from asr_models.demo_model.language import END, START, Group, Language, Sounds, Word
from asr_models.demo_model.phones import Inventory
from asr_models.demo_model.pronunciation import phones_of, pronounce
from asr_models.demo_model.synthesiser import Manner, Synthesiser
from asr_models.demo_model.vocabulary import (
    DIGIT,
    PLACE,
    SURNAME,
    UNIT,
    Text,
    Token,
    Vocabulary,
    dictionary,
    general_frequency,
)

Progress = Callable[[str, int, int], None]
Matrix = npt.NDArray[np.float64]

_KNOWN = (PLACE, UNIT, SURNAME, DIGIT)
_EXCHANGED = 120
"""How many classes the frequent words fall into."""
_FREQUENT = 1.5
"""A word that was heard more often than this is exchanged between them."""
_ROUNDS = 6
_PARTS = "nva"
"""Rare nouns, verbs, adjectives are classes of their own, as jieba marks them."""
_NAME_FLOOR, _WORD_FLOOR, _CHARACTER_FLOOR = 1.0, 0.3, 0.02
"""How often a word counts as heard beyond its times: the name of a known class, a word, a mere character."""
_LEAST_GAIN = 1.0
"""A pair of classes is kept when it makes the texts likelier by this much (natural logarithm)."""


def learn(vocabulary: Vocabulary, phones: Inventory, voice: Synthesiser, progress: Progress) -> Language:
    """The language of the vocabulary; the same for the same texts."""
    texts = [text for text in vocabulary.texts if text.tokens]
    counts: dict[Token, float] = defaultdict(float)
    for text in texts:
        for token in text.tokens:
            counts[token] += text.weight
    members = _members(counts, vocabulary, voice)
    names = _exchange(texts, members, counts, progress)
    place = {token: number for number, tokens in enumerate(names.values()) for token in tokens}
    sounds = _sounds(place, phones, voice)
    groups = []
    for name, tokens in names.items():
        heard = [(token, counts[token] + _floor(token, name)) for token in tokens if token in sounds]
        whole = sum(count for _, count in heard)
        words = tuple(Word(token.text, count / whole, sounds[token]) for token, count in heard)
        groups.append(Group(name, words))
    return Language(tuple(groups), *_followers(texts, place, groups))


def _floor(token: Token, group: str) -> float:
    if group in _KNOWN:
        return _NAME_FLOOR
    return _CHARACTER_FLOOR if group == "characters" else _WORD_FLOOR


def _members(counts: dict[Token, float], vocabulary: Vocabulary, voice: Synthesiser) -> dict[str, list[Token]]:
    """All words, in the classes that are known at the beginning; "" are those that are yet to be exchanged."""
    members: dict[str, list[Token]] = {}
    for kind in _KNOWN:
        names = {Token(name, kind) for name in vocabulary.names[kind]} | {t for t in counts if t.kind == kind}
        members[kind] = sorted(names, key=lambda token: token.text)
    plain = sorted((token for token in counts if not token.kind), key=lambda token: (-counts[token], token.text))
    members[""] = [token for token in plain if counts[token] > _FREQUENT]
    rare = {token.text for token in plain if counts[token] <= _FREQUENT}
    known = {token.text for tokens in members.values() for token in tokens}
    speech = {word: part[0] for word, _, part in dictionary()}
    for text in sorted(rare):
        part = speech.get(text, "n")
        members.setdefault(f"rare {part if part in _PARTS else 'other'}", []).append(Token(text))
    members["characters"] = [Token(text) for text in _syllables(known | rare, voice)]
    return members


def _syllables(known: set[str], voice: Synthesiser) -> list[str]:
    """For each syllable that no known word of one character has: the most frequent character that is said so.

    With these, a word that is not known is written as it sounds.
    """
    general = general_frequency()
    frequent = sorted(characters(), key=lambda character: (-general.get(character, 0), character))
    have = {phones_of(character, voice) for character in frequent if character in known}
    found = []
    for character in frequent:
        said = phones_of(character, voice)
        if said not in have:
            have.add(said)
            found.append(character)
    return found


# --- exchanging words between classes --------------------------------------------------------------------------------


def _exchange(
    texts: list[Text], members: dict[str, list[Token]], counts: dict[Token, float], progress: Progress
) -> dict[str, list[Token]]:
    """The classes, with the words of "" in _EXCHANGED new ones."""
    moving = members[""]
    fixed = [name for name in members if name]
    free = min(_EXCHANGED, len(moving))
    total = free + len(fixed) + 2
    start, end = total - 2, total - 1
    where = {token: free + number for number, name in enumerate(fixed) for token in members[name]}
    # The most frequent words begin alone, the others beside one of them.
    where |= {token: min(number, free - 1) if number < free else number % free for number, token in enumerate(moving)}
    after: dict[Token, dict[Token | None, float]] = defaultdict(lambda: defaultdict(float))
    before: dict[Token, dict[Token | None, float]] = defaultdict(lambda: defaultdict(float))
    pairs = np.zeros((total, total))
    for text in texts:
        for left, right in _pairs(text):
            pairs[_index(left, where, start), _index(right, where, end)] += text.weight
            if left is not None:
                after[left][right] += text.weight
            if right is not None:
                before[right][left] += text.weight
    for turn in range(_ROUNDS):
        progress("finding classes of words", turn, _ROUNDS)
        moved = 0
        for token in moving:
            follow, lead = np.zeros(total), np.zeros(total)
            for other, count in after[token].items():
                follow[_index(other, where, end)] += count
            for other, count in before[token].items():
                lead[_index(other, where, start)] += count
            moved += _move(token, where, pairs, follow, lead, after[token][token], free)
        if not moved:
            break
    progress("finding classes of words", _ROUNDS, _ROUNDS)
    found: dict[str, list[Token]] = {name: members[name] for name in fixed}
    for token in moving:
        found.setdefault(f"words {where[token]}", []).append(token)
    return found


def _move(
    token: Token, where: dict[Token, int], pairs: Matrix, follow: Matrix, lead: Matrix, itself: float, free: int
) -> bool:
    """Put the word into the class where it is foretold best; whether that is another one."""
    old = where[token]
    pairs[old] -= follow
    pairs[:, old] -= lead
    pairs[old, old] += itself
    follow[old] -= itself
    lead[old] -= itself
    right, left = np.flatnonzero(follow), np.flatnonzero(lead)
    rows, columns = pairs[:free][:, right], pairs[left][:, :free]
    gain = (_weight(rows + follow[right]) - _weight(rows)).sum(axis=1)
    gain += (_weight(columns + lead[left][:, None]) - _weight(columns)).sum(axis=0)
    for sums, own in ((pairs[:free].sum(axis=1), follow), (pairs[:, :free].sum(axis=0), lead)):
        gain -= _weight(sums + own.sum() + itself) - _weight(sums)
    new = int(gain.argmax())
    follow[new] += itself
    lead[new] += itself
    pairs[new] += follow
    pairs[:, new] += lead
    pairs[new, new] -= itself
    where[token] = new
    return new != old


def _weight(values: Matrix) -> Matrix:
    # Counts of which some was taken away can be a hair below nothing.
    return np.asarray(values * np.log(np.maximum(values, 1e-9)))


def _index(token: Token | None, where: dict[Token, int], edge: int) -> int:
    return edge if token is None else where[token]


def _pairs(text: Text) -> Iterable[tuple[Token | None, Token | None]]:
    """Neighbours in a text; None is the beginning, or the end, of what is said at once."""
    edges: tuple[Token | None, ...] = (None,) if text.whole else ()
    row = (*edges, *text.tokens, *edges)
    return itertools.pairwise(row)


# --- what follows what -----------------------------------------------------------------------------------------------


def _followers(
    texts: list[Text], place: dict[Token, int], groups: list[Group]
) -> tuple[dict[int, float], dict[int, dict[int, float]]]:
    """Witten-Bell: what was heard, less what is kept for what was not; and only what is worth its room."""
    heard: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    alone: dict[int, float] = defaultdict(float)
    for text in texts:
        for token in text.tokens:
            alone[place[token]] += text.weight
        alone[END] += text.weight if text.whole else 0
        for left, right in _pairs(text):
            first = START if left is None else place[left]
            heard[first][END if right is None else place[right]] += text.weight
    for number, group in enumerate(groups):
        alone[number] += sum(_floor(Token(word.text), group.name) for word in group.words)
    whole = sum(alone.values())
    likely = {number: count / whole for number, count in alone.items()}
    followers: dict[int, dict[int, float]] = {}
    for first, counts in heard.items():
        total = sum(counts.values())
        unheard = len(counts) / (total + len(counts))
        kept: dict[int, float] = {}
        for second, count in counts.items():
            together = (1 - unheard) * count / total + unheard * likely[second]
            if count * math.log(together / (unheard * likely[second])) > _LEAST_GAIN and together > likely[second]:
                kept[second] = together
        followers[first] = kept
    return likely, followers


# --- what words sound like -------------------------------------------------------------------------------------------


def _sounds(place: dict[Token, int], phones: Inventory, voice: Synthesiser) -> dict[Token, Sounds]:
    """What each word sounds like. One that the voice does not say character by character is left out."""
    sounds: dict[Token, Sounds] = {}
    for token in place:
        said = pronounce(token.text, Manner(), voice)
        if said is not None:
            sounds[token] = tuple(phones.nearest(phone) for phones_ in said.characters for phone in phones_)
    return sounds
