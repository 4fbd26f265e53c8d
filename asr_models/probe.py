"""Trying a model in a process of its own, because a damaged one can end the process that opens it.

Kaldi answers some damage with an exception, which Vosk turns into one sentence without a reason, and some with
abort(). In a child both become a message here.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from asr_models.errors import ModelError
from asr_models.recogniser import RATE

_SECONDS = 300
"""The large models take long on a slow disk."""

_TRIAL = f"""
import sys, vosk
recogniser = vosk.KaldiRecognizer(vosk.Model(sys.argv[1]), {RATE})
recogniser.SetWords(True)
recogniser.AcceptWaveform(bytes({RATE * 2}))
recogniser.FinalResult()
"""


def probe(folder: Path) -> None:
    """Open the model in `folder` and let it hear a second of silence at 8 kHz, in a child process.

    Raises ModelError with Kaldi's own reason when it fails, ends the process, or takes 300 s.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRIAL, str(folder)], capture_output=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"Vosk could not open it within {_SECONDS} s") from None
    if done.returncode == 0:
        return
    lines = done.stderr.decode("utf-8", "replace").splitlines()
    told = [line for line in lines if line.startswith(("ERROR (", "ASSERTION_FAILED ("))]
    # The first error is the cause; what follows it is the way out of Kaldi's calls. The place in its source,
    # in brackets, says nothing to an operator.
    reason = told[0].partition(") ")[2] if told else (lines[-1] if lines else "it gave no reason")
    how = f"Vosk was ended by {signal.Signals(-done.returncode).name}" if done.returncode < 0 else "Vosk refused it"
    raise ModelError(f"{how}: {reason.strip()}")
