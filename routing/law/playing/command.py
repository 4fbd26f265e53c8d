"""`server.py law play FILE`: a jurist plays cases through and reads what happened."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from routing.law.cases import CaseError, read
from routing.law.playing.run import CaseFailed, copy_of, play
from routing.storage import migrate
from settings import ConfigurationError, Settings


async def play_file(file: Path, only: str, settings: Settings) -> int:
    """Play the cases of `file` whose name holds `only`, each on an empty database; 0 when all are as they say."""
    try:
        cases = [case for case in read(file) if only in case.name]
    except (CaseError, ConfigurationError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    if not cases:
        print(f"error: {file}: no case has '{only}' in its name", file=sys.stderr)
        return 2
    failed = 0
    with tempfile.TemporaryDirectory(prefix="law-play-") as folder:
        migrated = Path(folder) / "empty.db"
        await migrate(f"sqlite+aiosqlite:///{migrated}")
        for number, case in enumerate(cases):
            if case.elsewhere:
                print(f"案例：{case.name}：在别处证明：{case.elsewhere}\n")
                continue
            db = await copy_of(migrated, Path(folder) / str(number))
            try:
                story = await play(case, settings.config_dir, db, Path(folder) / str(number))
                print("\n".join(story) + "\n  成立\n")
            except (CaseFailed, CaseError) as problem:
                failed += 1
                print(f"案例：{case.name}\n  不成立：{problem}\n")
            finally:
                await db.close()
    print(f"{len(cases)} 个案例，{failed} 个不成立")
    return 1 if failed else 0
