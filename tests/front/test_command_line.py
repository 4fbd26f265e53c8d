"""The command line as a whole."""

from __future__ import annotations

import subprocess
import sys

from settings import ROOT

_LOOK = """
import argparse, sys
from front import commands
commands.add(argparse.ArgumentParser().add_subparsers())
print("prometheus_client" in sys.modules)
"""


def test_nothing_counts_before_run_has_said_where() -> None:
    """prometheus_client reads where to count when it is imported; `run` knows where once its arguments are read."""
    done = subprocess.run([sys.executable, "-c", _LOOK], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
