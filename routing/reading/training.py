"""Makes the classifier's weights from data/sentences: `python -m routing.reading.training`.

Two kinds, because there is much to learn danger from and a dozen sentences to learn a matter from. Lines, urgency,
intent and scope: one logistic regression each (stochastic, with AdaGrad's steps). Matters: how much more often a trait
occurs with this matter than in all, times how few matters share it; counted, not fitted. Plain Python, no chance but
a seeded one: the same sentences give the same weights.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import itertools
import json
import math
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from routing.jurisdiction import Jurisdiction, load
from routing.reading.learned import SCALE, WEIGHTS, WINDOW, read_weights, traits, word_traits
from routing.reading.spoken import plain

_ROOT = Path(__file__).parents[2]
SENTENCES = _ROOT / "data" / "sentences"
CATALOGUE = _ROOT / "config" / "jurisdictions" / "yazhou.yaml"

_ROUNDS = 8
_STEP = 0.1
_DECAY = 0.02
"""How strongly weights are drawn to zero, at each look at a sentence that has the trait."""
_LIKE_FEW = 2
"""A trait that fewer sentences have is chance."""
_RARER = {"lines": 2.0, "urgency": 2.0, "intent": 1.0, "scope": 1.0, "ground": 1.0}
"""What a sentence that has the head's label counts for: an overlooked danger is worse than a needless look."""
_SMOOTHING = 10.0
LEAST = 3
"""Weights below so many hundredths decide nothing and are left out."""
_WARMTH = 2.0
_MOST_SPELT = 40
"""A wording of many alternatives must not outvote sentences that were really said."""
_SCRAPS, _SCRAP = 3, (4, 14)
"""How many scraps of an everyday sentence are learnt as such, and of how many characters."""


@dataclass(frozen=True)
class Sentence:
    """A sentence and, per group, the labels that it has; a group that is absent was not judged."""

    text: str
    labels: dict[str, frozenset[str]]
    matter: str | None = None


GROUPS: dict[str, tuple[str, ...]] = {
    "lines": ("110", "119", "120", "122"),
    "urgency": ("guide", "emergency"),
    "intent": ("consult", "complaint", "report", "help", "praise", "suggestion"),
    "scope": ("accept", "refuse", "transfer_114", "clarify", "discipline", "out_of_area"),
    "ground": ("illegal", "subversion", "fabrication", "abuse", "out_of_area", "legal_procedure", "other_unlawful"),
}


def sentences(folder: Path, catalogue: Jurisdiction) -> list[Sentence]:
    """All sentences of the folder, in a fixed order.

    Those of a matter with a line of its own (fire, drowning) may be dangers or not: they teach the matter, no danger.
    What is said of a matter is none, unless a file of dangers has the same sentence.
    """
    lined = {matter.id for matter in catalogue.matters if matter.line}
    files = [yaml.safe_load(path.read_text("utf-8")) for path in _files(folder)]
    grounds = {ground.id: ground.code for ground in catalogue.law.refusal_grounds}
    found = [_of_call(entry, grounds) for data in files if isinstance(data, list) for entry in data]
    dangers = {sentence.text for sentence in found if "lines" in sentence.labels}
    for data in files:
        if isinstance(data, dict):
            spoken = [_of_matter(matter, said, lined) for matter, all_said in data.items() for said in all_said]
            found += [_without_danger(one) if one.text in dangers else one for one in spoken]
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(path for kind in ("danger*", "matters*", "scope*") for path in folder.glob(f"{kind}.yaml"))


def everyday_pieces(learnt_from: Sequence[Sentence]) -> list[Sentence]:
    """Scraps of everyday sentences, and windows over two of them: what answers and long stories give to judge.

    Without them whatever is short, or begins in the middle of a sentence, sounds like somebody in distress.
    """
    chance = random.Random(12345)
    texts = [one.text for one in learnt_from if one.labels.get("lines") == one.labels.get("urgency") == frozenset()]
    pieces: list[str] = []
    for text, following in zip(texts, [*texts[1:], ""], strict=True):
        for _ in range(_SCRAPS):
            start = chance.randrange(max(1, len(text) - _SCRAP[0]))
            pieces.append(text[start : start + chance.randint(*_SCRAP)])
        start = chance.randrange(len(text))
        pieces.append((text + following)[start : start + WINDOW])
    everyday = {"lines": frozenset[str](), "urgency": frozenset[str]()}
    return [Sentence(text, everyday) for text in pieces]


def _without_danger(sentence: Sentence) -> Sentence:
    kept = {group: labels for group, labels in sentence.labels.items() if group not in ("lines", "urgency")}
    return replace(sentence, labels=kept)


def _of_matter(matter: str, said: str, lined: set[str]) -> Sentence:
    intent, text = said.split(":", 1)
    labels = {"intent": frozenset({intent.strip()})}
    if matter not in lined:
        labels |= {"lines": frozenset(), "urgency": frozenset()}
        labels |= {"scope": frozenset({"accept"}), "ground": frozenset()}
    return Sentence(plain(text), labels, matter)


def _of_call(entry: dict[str, Any], grounds: Mapping[str, str]) -> Sentence:
    text = plain(entry["say"])
    if "lines" in entry:
        urgent = frozenset({entry["urgency"]} & set(GROUPS["urgency"]))
        return Sentence(text, {"lines": frozenset(entry["lines"]), "urgency": urgent})
    nothing: frozenset[str] = frozenset()
    labels = {"scope": frozenset({entry["scope"]}), "lines": nothing, "urgency": nothing}
    labels["ground"] = frozenset({grounds[entry["ground"]]}) if "ground" in entry else nothing
    return Sentence(text, labels, entry.get("matter"))


def fingerprint(folder: Path) -> str:
    """Names the sentences that weights were made from."""
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def train(
    learnt_from: Sequence[Sentence], catalogue: Jurisdiction, tell: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """The weights as `learned` reads them."""
    return {**heads_from(learnt_from, GROUPS, tell), **matters_from(learnt_from, catalogue)}


def heads_from(
    learnt_from: Sequence[Sentence],
    wanted: Mapping[str, tuple[str, ...]],
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """The weights of the wanted heads, by group: a regression each."""
    # Pieces repeat what whole sentences say: they make no trait more frequent.
    counted = Counter(key for one in learnt_from for key in {trait.key for trait in traits(one.text)})
    learnt_from = [*learnt_from, *everyday_pieces(learnt_from)]
    keys = [sorted({trait.key for trait in traits(sentence.text)}) for sentence in learnt_from]
    known = sorted(key for key, count in counted.items() if count >= _LIKE_FEW)
    place_of = {key: place for place, key in enumerate(known)}
    rows = [[place_of[key] for key in some if key in place_of] for some in keys]
    biases: list[int] = []
    columns: list[dict[int, int]] = []
    groups: dict[str, list[tuple[str, int]]] = {}
    for group, heads in wanted.items():
        judged = [(row, one.labels[group]) for row, one in zip(rows, learnt_from, strict=True) if group in one.labels]
        groups[group] = []
        for head in heads:
            cases = [(row, head in labels) for row, labels in judged]
            tell(f"{group} {head}: {sum(has for _, has in cases)} of {len(cases)} sentences")
            bias, weights = _regression(cases, len(known), _RARER[group])
            groups[group].append((head, len(columns)))
            biases.append(round(bias * SCALE))
            columns.append(_whole(weights))
    stored: dict[str, list[int]] = {}
    for number, column in enumerate(columns):
        for place, weight in column.items():
            stored.setdefault(known[place], []).extend((number, weight))
    return {"groups": groups, "biases": biases, "traits": dict(sorted(stored.items()))}


def _whole(weights: Iterable[float]) -> dict[int, int]:
    hundredths = ((place, round(weight * SCALE)) for place, weight in enumerate(weights))
    return {place: weight for place, weight in hundredths if abs(weight) >= LEAST}


def _regression(cases: Sequence[tuple[list[int], bool]], size: int, rarer: float) -> tuple[float, list[float]]:
    weights = [0.0] * size
    # Not from zero: the first sentence with a trait would decide about it alone.
    steps = [1.0] * size
    bias, bias_step = 0.0, 1.0
    order = list(range(len(cases)))
    chance = random.Random(12345)
    for _ in range(_ROUNDS):
        chance.shuffle(order)
        for number in order:
            row, has = cases[number]
            score = bias + sum([weights[place] for place in row])
            slope = 1 / (1 + math.exp(-max(-30.0, min(30.0, score)))) - has
            if has:
                slope *= rarer
            if abs(slope) < 0.01:
                continue
            bias_step += slope * slope
            bias -= _STEP * slope / math.sqrt(bias_step)
            for place in row:
                weight = weights[place]
                gradient = slope + _DECAY * weight
                steps[place] += gradient * gradient
                weights[place] = weight - _STEP * gradient / math.sqrt(steps[place])
    return bias, weights


def matters_from(learnt_from: Sequence[Sentence], catalogue: Jurisdiction) -> dict[str, Any]:
    """The weights of the matters: counted, from the sentences and from the catalogue's own words."""
    ids = sorted({matter.id for matter in catalogue.matters})
    place = {matter: number for number, matter in enumerate(ids)}
    said = [(place[one.matter], one.text) for one in learnt_from if one.matter in place]
    said += [
        (place[matter.id], plain(words))
        for matter in catalogue.matters
        for words in (matter.name, *matter.words, *matter.hints, *_spelt_out(matter.wordings), *matter.context)
    ]
    totals = Counter(matter for matter, _ in said)
    counts: dict[str, Counter[int]] = {}
    for matter, text in said:
        for key in sorted({trait.key for trait in word_traits(text)}):
            counts.setdefault(key, Counter())[matter] += 1
    weights: dict[str, list[int]] = {}
    for key in sorted(counts):
        if pairs := _share(counts[key], totals, len(said)):
            weights[key] = pairs
    return {"matter_ids": ids, "matters": weights, "warmth": _WARMTH}


def _spelt_out(wordings: Sequence[str]) -> list[str]:
    """Wordings without what comes between: 灯/路灯…不亮 stands for 灯不亮 and 路灯不亮."""
    spelt: list[str] = []
    for wording in wordings:
        parts = [part.split("/") for part in wording.split("…")]
        spelt += ["".join(words) for words in itertools.islice(itertools.product(*parts), _MOST_SPELT)]
    return spelt


def _share(count: Counter[int], totals: Counter[int], everything: int) -> list[int]:
    """Matter, weight, matter, weight, ...

    The logarithm of how much likelier the trait is there than anywhere, times how telling it is.
    """
    usual = sum(count.values()) / everything
    likely = [(count[matter] + _SMOOTHING * usual) / (total + _SMOOTHING) for matter, total in sorted(totals.items())]
    whole = sum(likely)
    disorder = -sum(one / whole * math.log(one / whole) for one in likely)
    telling = 1 - disorder / math.log(len(likely))
    pairs: list[int] = []
    for (matter, _), one in zip(sorted(totals.items()), likely, strict=True):
        weight = round(math.log(one / usual) * telling * SCALE)
        if weight >= LEAST:
            pairs += (matter, weight)
    return pairs


def write(weights: dict[str, Any], path: Path) -> None:
    """The weights as a file, the same bytes for the same weights."""
    text = json.dumps(weights, ensure_ascii=False, separators=(",", ":"))
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make the classifier's weights from data/sentences (about a minute).")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when the weights differ")
    chosen = parser.parse_args(arguments)
    catalogue = load(CATALOGUE)
    weights = train(sentences(SENTENCES, catalogue), catalogue, lambda line: print(line, file=sys.stderr, flush=True))
    weights["sentences"] = fingerprint(SENTENCES)
    if chosen.check:
        same = read_weights() == json.loads(json.dumps(weights))
        print("the weights are what the sentences make" if same else f"{WEIGHTS.name} differs: train again")
        return 0 if same else 1
    write(weights, WEIGHTS)
    print(f"{WEIGHTS.name}: {WEIGHTS.stat().st_size} bytes, {len(weights['traits'])} traits")
    return 0


if __name__ == "__main__":
    sys.exit(main())
