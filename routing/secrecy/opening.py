"""A hotline's database together with its keys: the first start draws them, every later one must find the same."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from ivr.events import now
from routing.secrecy.keys import CALLER_KEY, Keys, draw
from routing.secrecy.tables import SealKey
from routing.storage import Database
from settings import ConfigurationError


async def open_database(url: str, file: Path) -> Database:
    """The migrated database at `url`, which seals with the keys of `file`; drawn when neither has any yet.

    Raises ConfigurationError when the file is missing or holds other keys than those the database was sealed with.
    """
    plain = Database(url)
    try:
        known = await _known(plain)
        if file.exists():
            keys = Keys(file)
        elif known:
            raise ConfigurationError(
                f"{file}: this file is missing, and the database is sealed with {', '.join(sorted(known))}; put the "
                "file back from its backup, or copy it from another machine of this hotline. Nothing was changed"
            )
        else:
            keys = draw(file)
        for key, fingerprint in sorted(known.items()):
            held = (*keys.ids, CALLER_KEY)
            if key in held and keys.fingerprint(key) != fingerprint:
                raise ConfigurationError(
                    f"{file}: its key '{key}' is not the one that this database was sealed with (fingerprint "
                    f"{keys.fingerprint(key)}, needed is {fingerprint}); put the right file there. Nothing was changed"
                )
            if key not in held:
                raise ConfigurationError(
                    f"{file}: the key '{key}' (fingerprint {fingerprint}) is missing, and texts of this database are "
                    "sealed with it; put it back from the file's backup. Nothing was changed"
                )
        await note_keys(plain, keys)
    finally:
        await plain.close()
    return Database(url, keys=keys)


async def note_keys(database: Database, keys: Keys) -> None:
    """Write the fingerprints of new keys into the database. Two processes may do so at once."""
    known = await _known(database)
    for key in (*keys.ids, CALLER_KEY):
        if key in known:
            continue
        try:
            async with database.begin() as session:
                session.add(SealKey(id=key, fingerprint=keys.fingerprint(key), noted_at=now()))
        except IntegrityError:
            if (await _known(database))[key] != keys.fingerprint(key):
                raise ConfigurationError(
                    f"{keys.file}: another machine has just drawn its own key '{key}' for this database; "
                    "copy its key file to this machine"
                ) from None


async def _known(database: Database) -> dict[str, str]:
    async with database.session() as session:
        return {key.id: key.fingerprint for key in await session.scalars(select(SealKey))}
