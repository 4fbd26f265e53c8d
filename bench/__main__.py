"""`make bench [ARGS="wire calls many screen linkage law knowledge speech"]`: measurements, as Markdown for the docs."""

from __future__ import annotations

import argparse
import asyncio
import platform
import shutil
import tempfile
from datetime import date
from pathlib import Path

import psutil

from bench import calls, knowledge, law, linkage, many_calls, screen, speech, wire_peers

PARTS = ("wire", "calls", "many", "screen", "linkage", "law", "knowledge", "speech")


def main() -> None:
    """Run the parts that are named, all by default."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--calls", type=int, default=100, help="concurrent calls (default 100)")
    parser.add_argument("--seconds", type=int, default=180, help="how long each lasts (default 180)")
    parser.add_argument("--tickets", type=int, default=1_000_000, help="at most so many (law; default 1000000)")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    parts = arguments.parts or PARTS
    print(
        f"{date.today()}, {psutil.cpu_count()} cores, Python {platform.python_version()}, Linux {platform.release()}\n"
    )
    if "wire" in parts:
        print("## Protocols beside their peers\n", flush=True)
        wire_peers.main([])
    for part, title, work in (
        ("calls", "Calls per second", lambda folder: calls.main(folder)),
        ("many", "Many calls at once", lambda f: many_calls.main(f, calls=arguments.calls, seconds=arguments.seconds)),
        ("screen", "From the agent's answer to the ticket on the screen", lambda folder: screen.main(folder)),
        ("linkage", "Fifty linkages within ten seconds", lambda folder: linkage.main(folder)),
        ("law", "The law on many tickets", lambda folder: law.main(folder, largest=arguments.tickets)),
        ("knowledge", "Searching the knowledge base", lambda folder: knowledge.main(folder)),
        ("speech", "Listening: streams per core, delays", lambda folder: speech.main(folder)),
    ):
        if part in parts:
            folder = Path(tempfile.mkdtemp(prefix="hotline-b-"))
            try:
                print(f"\n## {title}\n\n{asyncio.run(work(folder))}", flush=True)
            finally:
                shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
