"""The acoustic network: a time-delay network that says, each 30 ms, which phone is heard. Trained here, in numpy.

Five convolutions of three frames, each followed by ReLU and batch normalisation, then one linear layer. It sees 110 ms
to each side. Vosk counts 30 ms for each of its outputs (frame-subsampling-factor 3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr_models.demo_model.corpus import Example
from asr_models.demo_model.mfcc import DIMENSION

Array = npt.NDArray[np.float32]
Progress = Callable[[str, int, int], None]

CONTEXT = 11
"""Frames that it hears before and after the one that it judges."""
STRIDE = 3
"""Frames from one output to the next."""
SPREADS = (1, 1, 3, 3, 3)
"""Frames between the three inputs of each convolution. The second is the one that is evaluated each 30 ms only."""

_OUTPUTS = 50
"""Outputs of one training piece (1.5 s)."""
_PIECES = 64
"""Training pieces in a step."""
_PIECE = STRIDE * (_OUTPUTS - 1) + 1 + 2 * CONTEXT
"""Frames of one training piece."""
_NO_LABEL = -1
_DROPOUT = 0.1
_RATE, _WARM_UP, _DECAY, _LARGEST_GRADIENT = 3e-3, 0.15, 1e-3, 2.0
_STATISTICS = 0.1
"""How much the last step counts in the means that batch normalisation keeps."""
_EPSILON = 1e-5
_HELD_OUT = 50
"""One utterance in so many is not learned from but judges the learning."""


@dataclass(frozen=True)
class Normalisation:
    """`(x - mean) * scale + shift`, for each of a layer's outputs."""

    mean: Array
    scale: Array
    shift: Array


@dataclass(frozen=True)
class Network:
    """A trained network. `weights[i]` is (3 * inputs, outputs), the three frames in the order of time; the last is
    the linear layer. `normalisations[0]` is that of the input, the next ones follow each ReLU. `counts`: how often
    each phone was heard in training.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    normalisations: tuple[Normalisation, ...]
    counts: npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Speech:
    """All utterances one after the other, each lengthened at its ends as Kaldi does it, by repetition."""

    frames: Array
    phones: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]


def train(
    examples: Sequence[Example], phones: int, width: int, epochs: float, seed: int, progress: Progress
) -> Network:
    """Learn from the examples, `epochs` times through all; `width` is the outputs of each convolution.

    The same result, bit for bit, on the same machine with one thread of the linear algebra library.
    """
    chance = np.random.default_rng(seed)
    heard = np.concatenate([example.frames for example in examples])
    mean, deviation = heard.mean(axis=0, dtype=np.float64), heard.std(axis=0, dtype=np.float64)
    at_input = Normalisation(
        mean.astype(np.float32), (1 / deviation).astype(np.float32), np.zeros(DIMENSION, np.float32)
    )
    counts = np.bincount(np.concatenate([example.phones for example in examples]), minlength=phones) + 1
    speech = _joined(examples, at_input)
    held_out = np.arange(0, len(examples), _HELD_OUT)
    learned_from = np.setdiff1d(np.arange(len(examples)), held_out)
    share = speech.lengths[learned_from] / speech.lengths[learned_from].sum()
    layers = _Layers(width, phones, chance)
    steps = max(1, int(epochs * speech.lengths[learned_from].sum() / STRIDE / (_PIECES * _OUTPUTS)))
    for step in range(steps):
        chosen = learned_from[chance.choice(len(learned_from), _PIECES, p=share)]
        room = speech.lengths[chosen] - STRIDE * (_OUTPUTS - 1)
        first = (speech.starts[chosen] + (chance.random(_PIECES) * room).astype(np.int64))[:, None]
        pieces = speech.frames[first + np.arange(_PIECE)]
        labels = speech.phones[first + STRIDE * np.arange(_OUTPUTS)]
        layers.learn(pieces, labels, _rate(step / steps), chance)
        if step % 100 == 0:
            progress("learning the sounds", step, steps)
    progress("learning the sounds", steps, steps)
    return Network(
        tuple(layers.weights),
        tuple(layers.biases),
        (at_input, *layers.normalisations()),
        counts.astype(np.int64),
    )


def judge(network: Network, frames: Array) -> Array:
    """The logarithm of each phone's probability, (ceil(frames / 3), phones), as Kaldi computes it."""
    outputs = (len(frames) + STRIDE - 1) // STRIDE
    missing = STRIDE * (outputs - 1) + 1 - len(frames)
    edge = network.normalisations[0]
    heard = (np.pad(frames, ((CONTEXT, CONTEXT + missing), (0, 0)), mode="edge") - edge.mean) * edge.scale
    values = heard[None]
    for number, after in enumerate(network.normalisations[1:]):
        values = np.maximum(_windows(values, number) @ network.weights[number] + network.biases[number], 0)
        values = (values - after.mean) * after.scale + after.shift
    scores = values[0] @ network.weights[-1] + network.biases[-1]
    return np.asarray(scores - _log_sum(scores))


def _joined(examples: Sequence[Example], at_input: Normalisation) -> _Speech:
    frames, phones, starts, lengths = [], [], [], []
    start = 0
    for example in examples:
        missing = max(0, STRIDE * (_OUTPUTS - 1) + 1 - len(example.frames))
        padded = np.pad(example.frames, ((CONTEXT, CONTEXT + missing), (0, 0)), mode="edge")
        frames.append((padded - at_input.mean) * at_input.scale)
        phones.append(np.pad(example.phones.astype(np.int64), (0, missing + 2 * CONTEXT), constant_values=_NO_LABEL))
        starts.append(start)
        lengths.append(len(example.frames) + missing)
        start += len(padded)
    return _Speech(np.concatenate(frames), np.concatenate(phones), np.array(starts), np.array(lengths))


def _rate(done: float) -> float:
    """The learning rate when this share of the steps is done: up along a cosine, then down to nearly nothing."""
    if done < _WARM_UP:
        return float(_RATE * (0.04 + 0.96 * (1 - np.cos(np.pi * done / _WARM_UP)) / 2))
    return float(_RATE * (1 + np.cos(np.pi * (done - _WARM_UP) / (1 - _WARM_UP))) / 2)


def _windows(values: Array, layer: int) -> Array:
    """(pieces, frames, 3 * inputs) of (pieces, frames, inputs): each frame beside its two neighbours."""
    pieces, frames, inputs = values.shape
    if layer == 1:  # evaluated each third frame, so its windows do not overlap
        return values[:, : frames // STRIDE * STRIDE].reshape(pieces, frames // STRIDE, STRIDE * inputs)
    return np.concatenate([values[:, shift : frames - 2 + shift] for shift in range(3)], axis=2)


def _spread_back(gradient: Array, layer: int, inputs: int) -> Array:
    """What _windows gathers, added up again for each frame."""
    pieces, outputs, _ = gradient.shape
    if layer == 1:
        return gradient.reshape(pieces, outputs * STRIDE, inputs)
    added = np.zeros((pieces, outputs + 2, inputs), np.float32)
    for shift in range(3):
        added[:, shift : outputs + shift] += gradient[:, :, shift * inputs : (shift + 1) * inputs]
    return added


def _log_sum(scores: Array) -> Array:
    highest = scores.max(axis=-1, keepdims=True)
    return np.asarray(highest + np.log(np.exp(scores - highest).sum(axis=-1, keepdims=True)))


class _Layers:
    """The network while it learns: all its numbers are views of one vector, so that a step is one of Adam on that."""

    def __init__(self, width: int, phones: int, chance: np.random.Generator) -> None:
        inputs = [DIMENSION, *[width] * (len(SPREADS) - 1)]
        shapes: list[tuple[int, ...]] = [*((3 * count, width) for count in inputs), (width, phones)]
        shapes += [(width,)] * len(SPREADS) + [(phones,)]
        shapes += [(width,)] * (2 * len(SPREADS))
        sizes = [int(np.prod(shape)) for shape in shapes]
        self._values = np.zeros(sum(sizes), np.float32)
        self._gradient, self._first, self._second = (np.zeros_like(self._values) for _ in range(3))
        ends = np.cumsum(sizes)[:-1]
        views, slopes = (
            [part.reshape(shape) for part, shape in zip(np.split(vector, ends), shapes, strict=True)]
            for vector in (self._values, self._gradient)
        )
        count = len(SPREADS)
        self.weights, self.biases = views[: count + 1], views[count + 1 : 2 * count + 2]
        self._scales, self._shifts = views[2 * count + 2 : 3 * count + 2], views[3 * count + 2 :]
        self._weight_slopes, self._bias_slopes = slopes[: count + 1], slopes[count + 1 : 2 * count + 2]
        self._scale_slopes, self._shift_slopes = slopes[2 * count + 2 : 3 * count + 2], slopes[3 * count + 2 :]
        for weight in self.weights:
            bound = 1 / np.sqrt(weight.shape[0])
            weight[:] = chance.uniform(-bound, bound, weight.shape)
        for scale in self._scales:
            scale[:] = 1
        self._means = [np.zeros(width, np.float32) for _ in SPREADS]
        self._variances = [np.ones(width, np.float32) for _ in SPREADS]
        self._step = 0

    def normalisations(self) -> tuple[Normalisation, ...]:
        """Those after each ReLU, by the means that were kept."""
        return tuple(
            Normalisation(mean, (scale / np.sqrt(variance + _EPSILON)).astype(np.float32), shift)
            for mean, variance, scale, shift in zip(
                self._means, self._variances, self._scales, self._shifts, strict=True
            )
        )

    def learn(self, pieces: Array, labels: npt.NDArray[np.int64], rate: float, chance: np.random.Generator) -> None:
        """One step: what was said wrong changes all numbers a little."""
        values = pieces
        kept: list[tuple[Array, Array, Array, Array, Array | None]] = []
        for number in range(len(SPREADS)):
            window = _windows(values, number)
            flat = window.reshape(-1, window.shape[2])
            positive = flat @ self.weights[number]
            positive += self.biases[number]
            np.maximum(positive, 0, out=positive)
            mean = positive.mean(axis=0)
            centred = positive - mean
            variance = np.einsum("ij,ij->j", centred, centred) / len(centred)
            deviation = 1 / np.sqrt(variance + _EPSILON)
            centred *= deviation
            self._means[number] += _STATISTICS * (mean - self._means[number])
            self._variances[number] += _STATISTICS * (variance - self._variances[number])
            output = centred * self._scales[number]
            output += self._shifts[number]
            mask = None
            if number > 1:
                mask = (chance.random(output.shape, np.float32) >= _DROPOUT).astype(np.float32)
                mask /= 1 - _DROPOUT
                output *= mask
            kept.append((flat, positive, centred, deviation, mask))
            values = output.reshape(*window.shape[:2], -1)
        top = values.reshape(-1, values.shape[2])
        scores = top @ self.weights[-1]
        scores += self.biases[-1]
        slope = self._slope_of_scores(scores, labels.reshape(-1))
        np.matmul(top.T, slope, out=self._weight_slopes[-1])
        self._bias_slopes[-1][:] = slope.sum(axis=0)
        slope = slope @ self.weights[-1].T
        for number in reversed(range(len(SPREADS))):
            flat, positive, centred, deviation, mask = kept[number]
            slope = self._learn_layer(number, slope, flat, positive, centred, deviation, mask)
            if number:
                width = self.weights[number].shape[0] // 3
                windows = (slope @ self.weights[number].T).reshape(_PIECES, -1, 3 * width)
                slope = _spread_back(windows, number, width).reshape(-1, width)
        self._update(rate)

    @staticmethod
    def _slope_of_scores(scores: Array, labels: npt.NDArray[np.int64]) -> Array:
        known = labels != _NO_LABEL
        slope = np.asarray(np.exp(scores - _log_sum(scores)))
        slope[np.arange(len(labels)), np.maximum(labels, 0)] -= 1
        slope *= (known / known.sum()).astype(np.float32)[:, None]
        return slope

    def _learn_layer(
        self,
        number: int,
        slope: Array,
        flat: Array,
        positive: Array,
        centred: Array,
        deviation: Array,
        mask: Array | None,
    ) -> Array:
        """Note the slopes of one layer; return that of its values before the ReLU."""
        if mask is not None:
            slope *= mask
        count = len(slope)
        self._shift_slopes[number][:] = slope.sum(axis=0)
        self._scale_slopes[number][:] = np.einsum("ij,ij->j", slope, centred)
        slope -= self._shift_slopes[number] / count
        centred *= self._scale_slopes[number] / count
        slope -= centred
        slope *= self._scales[number] * deviation
        slope *= positive > 0
        np.matmul(flat.T, slope, out=self._weight_slopes[number])
        self._bias_slopes[number][:] = slope.sum(axis=0)
        return slope

    def _update(self, rate: float) -> None:
        self._step += 1
        length = float(np.sqrt(np.square(self._gradient, dtype=np.float64).sum()))
        if length > _LARGEST_GRADIENT:
            self._gradient *= np.float32(_LARGEST_GRADIENT / length)
        self._first += np.float32(0.1) * (self._gradient - self._first)
        self._second += np.float32(0.001) * (np.square(self._gradient) - self._second)
        unbiased = np.sqrt(self._second / np.float32(1 - 0.999**self._step))
        change = self._first / (unbiased + np.float32(1e-8))
        self._values *= np.float32(1 - rate * _DECAY)
        self._values -= np.float32(rate / (1 - 0.9**self._step)) * change
