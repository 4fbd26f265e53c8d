"""Who may use the desk: people with passwords and sessions, programs with tokens (SQL, beside routing's tables).

Passwords are kept as argon2id hashes; of session and API tokens only their SHA-256 is kept, so that a stolen
copy of the database opens nothing (the tokens are 256 random bits, a fast hash is enough for them).
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import ForeignKey, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from ivr.events import now
from routing.storage import Base, Database

ROLES = ("agent", "supervisor", "unit_clerk", "auditor", "telecom_admin")

TOKEN_USED_EVERY = timedelta(minutes=1)
"""`last_used` of an API token is written at most this often; a poller is not to cause a write per request."""

_hasher = PasswordHasher()
# Each check takes 64 MiB and a core for a while; a flood of sign-ins must not take the machine from the calls.
_at_once = asyncio.Semaphore(2)


class Account(Base):
    """A person. `extension` is the telephone of an agent, empty for others."""

    __tablename__ = "accounts"

    username: Mapped[str] = mapped_column(primary_key=True)
    extension: Mapped[str] = mapped_column(default="", index=True)
    name: Mapped[str]
    role: Mapped[str]
    password_hash: Mapped[str]
    created_at: Mapped[datetime]
    disabled: Mapped[bool] = mapped_column(default=False)

    @property
    def signature(self) -> str:
        """How histories name this person; names alone may be borne by two."""
        return f"{self.name} {self.username}"


class Session(Base):
    """A browser that is signed in. `token_hash`: SHA-256 of the cookie."""

    __tablename__ = "sessions"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(ForeignKey("accounts.username"), index=True)
    created_at: Mapped[datetime]
    expires: Mapped[datetime] = mapped_column(index=True)


class ApiToken(Base):
    """A program that may use the API. `token_hash`: SHA-256 of the bearer token; `note`: whose it is."""

    __tablename__ = "api_tokens"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    note: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    last_used: Mapped[datetime | None] = mapped_column(default=None)
    revoked: Mapped[bool] = mapped_column(default=False)


@dataclass(frozen=True)
class AgentAccount:
    """What `ensure_agents` is to make sure of; the username is the extension."""

    extension: str
    name: str
    role: str
    password: str


async def ensure_agents(db: Database, agents: list[tuple[str, str, str, str]]) -> list[str]:
    """Create the accounts that are missing, from (extension, name, role, password); the extensions created.

    An account that is there keeps its password; its name and role follow config/agents.yaml, where they are
    edited. Raises ValueError for a role that is not known.
    """
    wanted = [AgentAccount(*agent) for agent in agents]
    for agent in wanted:
        _check_role(agent.role)
    async with db.session() as session:
        there = {account.username: account for account in await session.scalars(select(Account))}
    missing = [agent for agent in wanted if agent.extension not in there]
    hashes = [await asyncio.to_thread(_hasher.hash, agent.password) for agent in missing]
    async with db.begin() as session:
        for agent in wanted:
            known = await session.get(Account, agent.extension)
            if known is None:
                session.add(
                    Account(
                        username=agent.extension,
                        extension=agent.extension,
                        name=agent.name,
                        role=agent.role,
                        password_hash=hashes[missing.index(agent)],
                        created_at=now(),
                    )
                )
            else:
                known.name, known.role = agent.name, agent.role
    return [agent.extension for agent in missing]


async def create_account(db: Database, username: str, name: str, role: str, password: str) -> None:
    """A person without a telephone (clerk, auditor, ...). Raises ValueError: unknown role, username taken."""
    _check_role(role)
    password_hash = await asyncio.to_thread(_hasher.hash, password)
    async with db.begin() as session:
        if await session.get(Account, username):
            raise ValueError(f"there is an account '{username}' already")
        session.add(Account(username=username, name=name, role=role, password_hash=password_hash, created_at=now()))


async def set_disabled(db: Database, username: str, disabled: bool) -> None:
    """Shut an account out at once, its sessions end; or let it in again. Raises ValueError: no such account."""
    async with db.begin() as session:
        account = await session.get(Account, username)
        if account is None:
            raise ValueError(f"there is no account '{username}'")
        account.disabled = disabled
        if disabled:
            await session.execute(delete(Session).where(Session.username == username))


async def check_password(db: Database, username: str, password: str) -> Account | None:
    """The account, when the password is right and it is not disabled; else None.

    Takes as long for a username that does not exist, so that the time does not tell which exist.
    """
    async with db.session() as session:
        account = await session.get(Account, username)
    kept = account.password_hash if account else await asyncio.to_thread(_nobodys_hash)
    async with _at_once:
        right = await asyncio.to_thread(_matches, kept, password)
    return account if account and right and not account.disabled else None


async def open_session(db: Database, username: str, hours: int) -> str:
    """Sign in a browser for `hours`; the token for its cookie. Sessions that have expired are deleted."""
    token = secrets.token_urlsafe(32)
    at = now()
    async with db.begin() as session:
        await session.execute(delete(Session).where(Session.expires <= at))
        session.add(
            Session(token_hash=_hash(token), username=username, created_at=at, expires=at + timedelta(hours=hours))
        )
    return token


async def account_of_session(db: Database, token: str) -> Account | None:
    """Whose session this cookie is, or None: unknown, expired, account disabled."""
    query = (
        select(Account)
        .join(Session, Session.username == Account.username)
        .where(Session.token_hash == _hash(token), Session.expires > now(), Account.disabled.is_(False))
    )
    async with db.session() as session:
        found: Account | None = await session.scalar(query)
        return found


async def close_session(db: Database, token: str) -> None:
    """Sign out; nothing happens when the session is gone already."""
    async with db.begin() as session:
        await session.execute(delete(Session).where(Session.token_hash == _hash(token)))


async def create_token(db: Database, role: str, note: str) -> str:
    """A new API token for a program; it is shown only now. Raises ValueError for a role that is not known."""
    _check_role(role)
    token = "hl_" + secrets.token_urlsafe(32)
    async with db.begin() as session:
        session.add(ApiToken(token_hash=_hash(token), role=role, note=note, created_at=now()))
    return token


async def revoke_token(db: Database, token: str) -> bool:
    """Make a token useless from now on; False when there is none such."""
    async with db.begin() as session:
        found = await session.get(ApiToken, _hash(token))
        if found is None:
            return False
        found.revoked = True
        return True


async def role_of_token(db: Database, token: str) -> str | None:
    """The role of a program with this token, or None: unknown or revoked."""
    key = _hash(token)
    async with db.session() as session:
        found = await session.get(ApiToken, key)
    if found is None or found.revoked:
        return None
    at = now()
    if found.last_used is None or at - found.last_used > TOKEN_USED_EVERY:
        async with db.begin() as session:
            await session.execute(update(ApiToken).where(ApiToken.token_hash == key).values(last_used=at))
    return found.role


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise ValueError(f"there is no role '{role}' (there are: {', '.join(ROLES)})")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@cache
def _nobodys_hash() -> str:
    return _hasher.hash(secrets.token_urlsafe(16))


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except VerifyMismatchError:
        return False
