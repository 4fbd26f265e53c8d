"""The trained network as Kaldi's `final.mdl`, in Kaldi's binary form, as Vosk reads it.

The model of the sounds is the simplest that Kaldi has: a phone is one state that lasts or ends. Normalisations are
folded into the layer that follows them, so that the file holds only affine layers, ReLU and log-softmax.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr_models.demo_model.mfcc import DIMENSION
from asr_models.demo_model.network import CONTEXT, SPREADS, Network
from asr_models.demo_model.phones import POSITIONS, kaldi_phone

Matrix = npt.NDArray[np.float64]

MODEL_OPTIONS = """\
--min-active=200
--max-active=7000
--beam=16.0
--lattice-beam=3.0
--acoustic-scale=0.5
--frame-subsampling-factor=3
--frames-per-chunk=21
--endpoint.silence-phones=1
--endpoint.rule2.min-trailing-silence=0.5
--endpoint.rule3.min-trailing-silence=0.8
--endpoint.rule4.min-trailing-silence=1.5
"""
"""conf/model.conf of the model. A beam of 13 made search errors; 20 heard no more and took twice the time."""

_EVEN = math.log(0.5)


def write_acoustic_model(network: Network, path: Path) -> None:
    """Write `final.mdl`. Weights are stored in 8 bits, those of the first layer, whose columns differ most, in 16."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\0B" + _transitions(len(network.counts)) + _layers(network))


def _transitions(outputs: int) -> bytes:
    phones = 1 + len(POSITIONS) * (outputs - 1)
    topology = [_vector_of_ints(range(1, phones + 1)), _vector_of_ints([-1] + [0] * phones), _int(1)]
    # Two states: the first, of output class 0, leads to itself or to the second, which is the end.
    topology += [_int(2), _int(0), _int(2), _int(0), _float(0.5), _int(1), _float(0.5), _int(-1), _int(0)]
    triples = [_int(1) + _int(0) + _int(0)]
    for number in range(1, outputs):
        triples += [_int(kaldi_phone(number, position)) + _int(0) + _int(number) for position in POSITIONS]
    return (
        _token("<TransitionModel>")
        + _token("<Topology>")
        + b"".join(topology)
        + _token("</Topology>")
        + _token("<Triples>")
        + _int(phones)
        + b"".join(triples)
        + _token("</Triples>")
        + _token("<LogProbs>")
        + _vector([0.0] + [_EVEN] * (2 * phones))
        + _token("</LogProbs>")
        + _token("</TransitionModel>")
    )


def _layers(network: Network) -> bytes:
    wiring = [f"input-node name=input dim={DIMENSION}"]
    components: list[tuple[str, bytes]] = []
    before = "input"

    def add(name: str, kind: bytes, reads: str) -> None:
        nonlocal before
        components.append((name, kind))
        wiring.append(f"component-node name={name} component={name} input={reads}")
        before = name

    for number, weight in enumerate(network.weights):
        folded, bias = _folded(network, number)
        if number < len(SPREADS):
            spread = SPREADS[number]
            reads = f"Append(Offset({before}, {-spread}), {before}, Offset({before}, {spread}))"
            add(f"tdnn{number + 1}.affine", _affine(folded, bias, exact=number == 0), reads)
            add(f"tdnn{number + 1}.relu", _pointwise("RectifiedLinearComponent", weight.shape[1]), before)
        else:
            add("output.affine", _affine(folded, bias, exact=False), before)
            add("output.log-softmax", _pointwise("LogSoftmaxComponent", weight.shape[1]), before)
    wiring.append(f"output-node name=output input={before} objective=linear")
    return (
        _token("<Nnet3>")
        + ("\n" + "\n".join(wiring) + "\n\n").encode()
        + _token("<NumComponents>")
        + _int(len(components))
        + b"".join(_token("<ComponentName>") + _token(name) + kind for name, kind in components)
        + _token("</Nnet3>")
        + _token("<LeftContext>")
        + _int(CONTEXT)
        + _token("<RightContext>")
        + _int(CONTEXT)
        + _token("<Priors>")
        + _vector(network.counts / network.counts.sum())
    )


def _folded(network: Network, number: int) -> tuple[Matrix, Matrix]:
    """A layer's weights (outputs, inputs) and bias that take what comes before its normalisation."""
    before = network.normalisations[number]
    scale = before.scale.astype(np.float64)
    shift = before.shift - before.mean * scale
    weight = network.weights[number].astype(np.float64)
    times = weight.shape[0] // len(scale)
    folded = weight * np.tile(scale, times)[:, None]
    return folded.T, network.biases[number] + np.tile(shift, times) @ weight


def _affine(weight: Matrix, bias: Matrix, *, exact: bool) -> bytes:
    return (
        _token("<FixedAffineComponent>")
        + _token("<LinearParams>")
        + _compressed(weight, exact=exact)
        + _token("<BiasParams>")
        + _vector(bias)
        + _token("</FixedAffineComponent>")
    )


def _pointwise(kind: str, size: int) -> bytes:
    return (
        _token(f"<{kind}>")
        + _token("<Dim>")
        + _int(size)
        + _token("<ValueAvg>")
        + _vector([])
        + _token("<DerivAvg>")
        + _vector([])
        + _token("<Count>")
        + _float(0.0)
        + _token(f"</{kind}>")
    )


def _compressed(matrix: Matrix, *, exact: bool) -> bytes:
    # Kaldi's CompressedMatrix: the smallest value, the range, and each value as a share of it in 16 or 8 bits.
    name, steps, kind = ("CM2", 65535, "<u2") if exact else ("CM3", 255, "u1")
    lowest, extent = float(matrix.min()), float(np.ptp(matrix))
    shares = np.round((matrix - lowest) / extent * steps).astype(kind)
    return _token(name) + struct.pack("<ffii", lowest, extent, *matrix.shape) + shares.tobytes()


def _token(text: str) -> bytes:
    return text.encode() + b" "


def _int(value: int) -> bytes:
    return struct.pack("<bi", 4, value)


def _float(value: float) -> bytes:
    return struct.pack("<bf", 4, value)


def _vector_of_ints(values: Iterable[int]) -> bytes:
    listed = list(values)
    return _int(len(listed)) + struct.pack(f"<{len(listed)}i", *listed)


def _vector(values: Sequence[float] | Matrix) -> bytes:
    return _token("FV") + _int(len(values)) + np.asarray(values, "<f4").tobytes()
