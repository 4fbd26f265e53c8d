"""Mel-frequency cepstra as Kaldi computes them with the options of OPTIONS, so that training hears what Vosk hears."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

OPTIONS = """\
--use-energy=false
--sample-frequency=8000
--num-mel-bins=40
--num-ceps=40
--low-freq=20
--high-freq=-300
--dither=0
--allow-downsample=true
--allow-upsample=true
"""
"""conf/mfcc.conf of the model."""

DIMENSION = 40
FRAME_SHIFT = 0.01
"""Seconds."""
FRAME_CENTRE = 0.0125
"""Seconds from a frame's first sample: what it hears is labelled with what is said there."""

_RATE, _LENGTH, _SHIFT, _FFT = 8000, 200, 80, 256
_LOW, _HIGH, _LIFTER, _PREEMPHASIS = 20.0, 3700.0, 22.0, 0.97


def mfcc(samples: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """(frames, DIMENSION) of samples at 8 kHz and 16-bit scale; a frame each 10 ms, only whole ones."""
    count = max(0, (len(samples) - _LENGTH) // _SHIFT + 1)
    if count == 0:
        return np.zeros((0, DIMENSION), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, _LENGTH)[::_SHIFT][:count].copy()
    frames -= frames.mean(axis=1, keepdims=True)
    frames[:, 1:] -= _PREEMPHASIS * frames[:, :-1].copy()
    frames[:, 0] *= 1 - _PREEMPHASIS
    power = np.abs(np.fft.rfft(frames * _WINDOW, _FFT)) ** 2
    energies = np.maximum(power[:, : _FFT // 2] @ _FILTERS, np.finfo(np.float32).eps)
    return (np.log(energies) @ _CEPSTRA).astype(np.float32)


def _mel(frequency: npt.NDArray[np.float64] | float) -> npt.NDArray[np.float64]:
    return np.asarray(1127 * np.log(1 + np.asarray(frequency) / 700))


def _filters() -> npt.NDArray[np.float64]:
    low, high = _mel(_LOW), _mel(_HIGH)
    width = (high - low) / (DIMENSION + 1)
    mel = _mel(np.arange(_FFT // 2) * _RATE / _FFT)[:, None]
    left = low + np.arange(DIMENSION) * width
    rising, falling = (mel - left) / width, (left + 2 * width - mel) / width
    return np.where((mel > left) & (mel < left + 2 * width), np.minimum(rising, falling), 0.0)


def _cepstra() -> npt.NDArray[np.float64]:
    order = np.arange(DIMENSION)
    cosines = np.cos(np.pi / DIMENSION * (np.arange(DIMENSION) + 0.5)[:, None] * order)
    scale = np.sqrt(np.where(order == 0, 1, 2) / DIMENSION)
    return np.asarray(cosines * scale * (1 + 0.5 * _LIFTER * np.sin(np.pi * order / _LIFTER)))


# Kaldi's window "povey".
_WINDOW = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_LENGTH) / (_LENGTH - 1))) ** 0.85
_FILTERS = _filters()
_CEPSTRA = _cepstra()
