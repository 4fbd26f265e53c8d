"""Accounts, sessions and tokens, against a real database."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from desk import accounts
from ivr.events import now
from routing.storage import Database
from tests.desk.running_desk import AGENTS, PASSWORD, Running


async def test_agents_are_created_once_and_keep_their_passwords(desk: Running) -> None:
    again = [(extension, "改名了", role, "another password") for extension, _, role, _ in AGENTS]
    assert await accounts.ensure_agents(desk.database, [*again, ("8009", "新人", "agent", "new")]) == ["8009"]
    account = await accounts.check_password(desk.database, "8001", PASSWORD)
    assert account and account.name == "改名了"
    assert await accounts.check_password(desk.database, "8009", "new")


async def test_an_unknown_role_is_refused_before_anything_is_written(desk: Running) -> None:
    with pytest.raises(ValueError, match="no role 'boss'"):
        await accounts.ensure_agents(desk.database, [("8010", "甲", "agent", "p"), ("8011", "乙", "boss", "p")])
    with pytest.raises(ValueError, match="no role 'boss'"):
        await accounts.create_token(desk.database, "boss", "x")
    assert await accounts.check_password(desk.database, "8010", "p") is None


async def test_no_secret_is_kept_readable(desk: Running) -> None:
    session = await accounts.open_session(desk.database, "8001", 1)
    token = await accounts.create_token(desk.database, "auditor", "x")
    async with desk.database.session() as db:
        kept = [
            *await db.scalars(select(accounts.Account.password_hash)),
            *await db.scalars(select(accounts.Session.token_hash)),
            *await db.scalars(select(accounts.ApiToken.token_hash)),
        ]
    assert all(secret not in row for row in kept for secret in (PASSWORD, session, token))
    assert kept[0].startswith("$argon2id$")
    assert hashlib.sha256(token.encode()).hexdigest() in kept


async def test_a_disabled_account_is_out_at_once(desk: Running) -> None:
    session = await accounts.open_session(desk.database, "8001", 1)
    assert await accounts.account_of_session(desk.database, session)
    await accounts.set_disabled(desk.database, "8001", True)
    assert await accounts.account_of_session(desk.database, session) is None
    assert await accounts.check_password(desk.database, "8001", PASSWORD) is None
    await accounts.set_disabled(desk.database, "8001", False)
    assert await accounts.check_password(desk.database, "8001", PASSWORD)
    assert await accounts.account_of_session(desk.database, session) is None, "the old session stays closed"
    with pytest.raises(ValueError, match="no account"):
        await accounts.set_disabled(desk.database, "nobody", True)


async def test_sessions_expire_and_are_cleared_away(desk: Running) -> None:
    session = await accounts.open_session(desk.database, "8001", 1)
    async with desk.database.begin() as db:
        await db.execute(update(accounts.Session).values(expires=now() - timedelta(seconds=1)))
    assert await accounts.account_of_session(desk.database, session) is None
    await accounts.open_session(desk.database, "8002", 1)
    async with desk.database.session() as db:
        assert [row.username for row in await db.scalars(select(accounts.Session))] == ["8002"]


async def test_a_revoked_token_is_useless_and_use_is_noted(desk: Running) -> None:
    token = await accounts.create_token(desk.database, "auditor", "纪检")
    assert await accounts.role_of_token(desk.database, token) == "auditor"
    async with desk.database.session() as db:
        kept = (await db.scalars(select(accounts.ApiToken))).one()
        assert kept.last_used is not None and kept.note == "纪检"
    assert await accounts.revoke_token(desk.database, token)
    assert await accounts.role_of_token(desk.database, token) is None
    assert not await accounts.revoke_token(desk.database, "hl_nothing")


async def test_a_username_is_given_once(desk: Running) -> None:
    with pytest.raises(ValueError, match="'8001'"):
        await accounts.create_account(desk.database, "8001", "x", "auditor", "p")


async def test_the_migration_makes_what_the_models_say(desk: Running) -> None:
    async def columns(database: Database, table: str) -> set[tuple[str, int]]:
        async with database.session() as db:
            rows = await db.execute(text(f"PRAGMA table_info({table})"))
            return {(row.name, row.notnull) for row in rows}

    for model in (accounts.Account, accounts.Session, accounts.ApiToken):
        wanted = {(column.name, int(not column.nullable)) for column in model.__table__.columns}
        assert await columns(desk.database, model.__tablename__) == wanted
