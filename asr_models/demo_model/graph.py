"""Which sounds make which words, and which words follow which: the decoding graph, composed without OpenFst.

For each class of words there is a tree of their sounds: words that begin alike share their beginning, and from where
a word is the only one left, words that end alike share their end. From the end of a class lead arcs to the classes
that were heard after it, and one to a state from which every class can be reached. After each word there may be a
silence. What is no word can be taken for GAP, at a price. States and arcs are written as an OpenFst ConstFst.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path

from asr_models.demo_model.language import END, START, Language, Sounds, Word
from asr_models.demo_model.phones import SILENCE_NUMBER, Inventory, entry, kaldi_phone, self_loop
from asr_models.recogniser import GAP

_PAUSE = 0.2
"""How likely a silence is after a word."""
_LASTS, _SILENCE_LASTS = 0.6, 0.9
"""How likely a phone, and silence, goes on for another 30 ms."""
_GAP_ENTRY, _GAP_PHONE = 8.0, 4.0
"""The price of GAP, in natural logarithms, and of each sound in it. Below these, noise is taken for gaps."""

_MAGIC, _VERSION, _EXPANDED = 2125659606, 2, 1

Phones = tuple[tuple[int, str], ...]
"""Each phone's number and its place in the word."""


class Graph:
    """States and arcs that grow while the graph is composed. An arc: (transition, word, cost, target)."""

    def __init__(self) -> None:
        self.arcs: list[list[tuple[int, int, float, int]]] = []
        self.ends: dict[int, float] = {}
        self.start = self.state()

    def state(self) -> int:
        """A new state."""
        self.arcs.append([])
        return len(self.arcs) - 1

    def pass_on(self, source: int, target: int, cost: float, word: int = 0) -> None:
        """Go on without a sound."""
        self.arcs[source].append((0, word, cost, target))

    def phone_state(self, number: int, position: str) -> int:
        """A new state in which a phone goes on."""
        made = self.state()
        lasts = _SILENCE_LASTS if number == SILENCE_NUMBER else _LASTS
        phone = kaldi_phone(number, position)
        self.arcs[made].append((self_loop(phone), 0, -math.log(lasts), made))
        return made

    def enter(self, source: int, target: int, number: int, position: str, cost: float = 0.0, word: int = 0) -> None:
        """Go on with the first 30 ms of a phone, whose state `target` is."""
        lasts = _SILENCE_LASTS if number == SILENCE_NUMBER else _LASTS
        self.arcs[source].append((entry(kaldi_phone(number, position)), word, cost - math.log(1 - lasts), target))

    def pause(self, source: int, target: int) -> None:
        """Go on, with or without a silence."""
        self.pass_on(source, target, -math.log(1 - _PAUSE))
        silence = self.phone_state(SILENCE_NUMBER, "singleton")
        self.enter(source, silence, SILENCE_NUMBER, "singleton", -math.log(_PAUSE))
        self.pass_on(silence, target, 0.0)

    def packed(self) -> bytes:
        """The graph as the bytes of HCLG.fst."""
        states, packed, count = bytearray(), bytearray(), 0
        for number, arcs in enumerate(self.arcs):
            arcs.sort(key=lambda arc: arc[0])
            silent, unnamed = sum(arc[0] == 0 for arc in arcs), sum(arc[1] == 0 for arc in arcs)
            states += struct.pack("<fIIII", self.ends.get(number, math.inf), count, len(arcs), silent, unnamed)
            for transition, word, cost, target in arcs:
                packed += struct.pack("<iifi", transition, word, cost, target)
            count += len(arcs)
        names = b"".join(struct.pack("<i", len(name)) + name for name in (b"const", b"standard"))
        head = struct.pack("<iiQqqq", _VERSION, 0, _EXPANDED, self.start, len(self.arcs), count)
        return struct.pack("<i", _MAGIC) + names + head + bytes(states) + bytes(packed)


def write_graph(language: Language, inventory: Inventory, folder: Path) -> None:
    """Write HCLG.fst and words.txt of the language into a model's graph folder."""
    texts = sorted({word.text for group in language.groups for word in group.words} | {GAP})
    numbers = {text: number for number, text in enumerate(texts, 1)}
    table = ["<eps> 0\n", *(f"{text} {number}\n" for text, number in numbers.items()), f"#0 {len(texts) + 1}\n"]
    graph = _composed(language, numbers, len(inventory.names))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "words.txt").write_text("".join(table), encoding="utf-8")
    (folder / "HCLG.fst").write_bytes(graph.packed())


def _composed(language: Language, numbers: dict[str, int], phones: int) -> Graph:
    graph = Graph()
    anything = graph.state()
    heard = {START: graph.state()}
    graph.pause(graph.start, heard[START])
    entrances: dict[int, tuple[int, float]] = {}
    for place, group in enumerate(language.groups):
        finished = graph.state()
        heard[place] = graph.state()
        graph.pause(finished, heard[place])
        entrances[place] = _tree(graph, group.words, numbers, finished)
    for place, after in heard.items():
        followers = language.followers.get(place, {})
        kept = sum(followers.values())
        reached = sum(language.likely[follower] for follower in followers)
        back = max(1 - kept, 1e-6) / max(1 - reached, 1e-6)
        graph.pass_on(after, anything, -math.log(back))
        for follower, likely in sorted(followers.items()):
            if follower == END:
                graph.ends[after] = -math.log(likely)
            else:
                state, cost = entrances[follower]
                graph.pass_on(after, state, cost - math.log(likely))
        if END not in followers:
            graph.ends[after] = -math.log(back * language.likely[END])
    for place, (state, cost) in entrances.items():
        graph.pass_on(anything, state, cost - math.log(language.likely[place]))
    _gap(graph, anything, numbers[GAP], phones)
    return graph


def _gap(graph: Graph, anything: int, word: int, phones: int) -> None:
    """GAP: two sounds or more that are no word, and back to anything."""
    inside = graph.state()
    finished = graph.state()
    for number in range(SILENCE_NUMBER + 1, phones):
        for source, position, target in (
            (anything, "begin", inside),
            (inside, "internal", inside),
            (inside, "end", finished),
        ):
            sound = graph.phone_state(number, position)
            price, label = (_GAP_ENTRY, word) if position == "begin" else (0.0, 0)
            graph.enter(source, sound, number, position, price + _GAP_PHONE, label)
            graph.pass_on(sound, target, 0.0)
    graph.pause(finished, anything)


def _tree(graph: Graph, words: tuple[Word, ...], numbers: dict[str, int], finished: int) -> tuple[int, float]:
    """Build the tree of a class; return its entrance and the cost of the likeliest word, which is not in the tree."""
    entries = sorted((_placed(word.sounds), -math.log(word.likely), numbers[word.text]) for word in words)
    entrance = graph.state()
    endings: dict[Phones, int] = {}
    best = _grow(graph, entrance, entries, 0, endings, finished, None)
    return entrance, best


def _grow(
    graph: Graph,
    source: int,
    entries: list[tuple[Phones, float, int]],
    depth: int,
    endings: dict[Phones, int],
    finished: int,
    paid: float | None,
) -> float:
    """Add the entries, which agree up to `depth`, after `source`; return the least cost among them.

    `paid` is what the way to `source` has cost of it; None at the entrance, where nothing has been paid but the
    least cost is taken off.
    """
    least = min(cost for _, cost, _ in entries)
    base = least if paid is None else paid
    for phone, group in _by_phone(entries, depth):
        number, position = phone
        cheapest = min(cost for _, cost, _ in group)
        if len(group) == 1:
            phones, cost, word = group[0]
            target = _ending(graph, phones[depth:], endings, finished)
            graph.enter(source, target, number, position, cost - base, word)
            continue
        state = graph.phone_state(number, position)
        graph.enter(source, state, number, position, cheapest - base)
        for phones, cost, word in group:
            if len(phones) == depth + 1:  # words that sound the same end here
                graph.pass_on(state, finished, cost - cheapest, word)
        longer = [item for item in group if len(item[0]) > depth + 1]
        if longer:
            _grow(graph, state, longer, depth + 1, endings, finished, cheapest)
    return least


def _by_phone(
    entries: list[tuple[Phones, float, int]], depth: int
) -> Iterator[tuple[tuple[int, str], list[tuple[Phones, float, int]]]]:
    groups: dict[tuple[int, str], list[tuple[Phones, float, int]]] = {}
    for item in entries:
        groups.setdefault(item[0][depth], []).append(item)
    yield from groups.items()


def _ending(graph: Graph, phones: Phones, endings: dict[Phones, int], finished: int) -> int:
    """The state of the first of these phones, after which only the others follow; one for all words that end so."""
    if phones in endings:
        return endings[phones]
    state = graph.phone_state(*phones[0])
    if len(phones) == 1:
        graph.pass_on(state, finished, 0.0)
    else:
        graph.enter(state, _ending(graph, phones[1:], endings, finished), *phones[1])
    endings[phones] = state
    return state


def _placed(phones: Sounds) -> Phones:
    if len(phones) == 1:
        return ((phones[0], "singleton"),)
    last = len(phones) - 1
    places = ["begin", *["internal"] * (last - 1), "end"]
    return tuple(zip(phones, places, strict=True))
