"""A model as wide as vosk-model-small-cn-0.22 out of the demo model, which hears the same and costs more.

Units whose weights are all zero are added to each layer of the network: what comes out is the same to the last word,
so that only the computing differs. Kaldi multiplies by zeros as it does by anything else.
"""

from __future__ import annotations

import shutil
import struct
from array import array
from pathlib import Path

WIDTH = 640
"""Units of a layer. Four layers of three frames then hold 4.9 million weights that are used each 30 ms, about what the
16 MB of the small Mandarin model's network come to.
"""
_AFFINE = b"<FixedAffineComponent> <LinearParams> "
_BIAS = b"<BiasParams> FV "
_RELU = b"<RectifiedLinearComponent> <Dim> "
_SPLICED = 3
"""Frames that each layer but the last reads."""


def widen(model: Path, target: Path, width: int = WIDTH) -> None:
    """Write the demo model in `model` to the new folder `target`, each layer `width` units wide.

    Raises ValueError when the network is not laid out as that of the demo model.
    """
    shutil.copytree(model, target)
    data = (model / "am" / "final.mdl").read_bytes()
    made, at = b"", 0
    starts = _positions(data, _AFFINE)
    for number, start in enumerate(starts):
        rows, bias, end = _affine(data, start)
        first, last = number == 0, number == len(starts) - 1
        blocks = 1 if last else _SPLICED
        columns = len(rows[0]) if first else blocks * width
        wide = [_spread(row, blocks, columns // blocks) for row in rows]
        if not last:
            wide += [array("f", bytes(4 * columns))] * (width - len(rows))
            bias.frombytes(bytes(4 * (width - len(rows))))
        made += _resized(data[at:start], width) + _AFFINE + _written(wide, bias)
        at = end
    (target / "am" / "final.mdl").write_bytes(made + data[at:])


def _spread(row: array[float], blocks: int, width: int) -> array[float]:
    """The row's blocks, each filled up with zeros to `width`."""
    length = len(row) // blocks
    zeros = array("f", bytes(4 * (width - length)))
    spread = array("f")
    for block in range(blocks):
        spread += row[block * length : (block + 1) * length] + zeros
    return spread


def _affine(data: bytes, start: int) -> tuple[list[array[float]], array[float], int]:
    """The weights of each unit, the bias, and where they end."""
    at = start + len(_AFFINE)
    kind, steps = ("H", 65535) if data[at : at + 4] == b"CM2 " else ("B", 255)
    lowest, extent, rows, columns = struct.unpack_from("<ffii", data, at + 4)
    shares = array(kind)
    at += 20
    shares.frombytes(data[at : at + rows * columns * shares.itemsize])
    values = array("f", (lowest + extent * share / steps for share in shares))
    at += len(shares) * shares.itemsize
    if data[at : at + len(_BIAS)] != _BIAS:
        raise ValueError("the network is not laid out as that of the demo model")
    at += len(_BIAS)
    (length,) = struct.unpack_from("<xi", data, at)
    bias = array("f")
    bias.frombytes(data[at + 5 : at + 5 + 4 * length])
    return [values[row * columns : (row + 1) * columns] for row in range(rows)], bias, at + 5 + 4 * length


def _written(rows: list[array[float]], bias: array[float]) -> bytes:
    weights = b"".join(row.tobytes() for row in rows)
    size = struct.pack("<bibi", 4, len(rows), 4, len(rows[0]))
    return b"FM " + size + weights + _BIAS + struct.pack("<bi", 4, len(bias)) + bias.tobytes()


def _resized(between: bytes, width: int) -> bytes:
    """What stands between two affine layers; the ReLU in it says how wide it is."""
    before, found, after = between.partition(_RELU)
    return before + found + struct.pack("<bi", 4, width) + after[5:] if found else between


def _positions(data: bytes, mark: bytes) -> list[int]:
    found, at = [], data.find(mark)
    while at >= 0:
        found.append(at)
        at = data.find(mark, at + 1)
    return found
