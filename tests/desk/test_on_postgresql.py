"""The desk's own tables and queries on PostgreSQL; all other tests of the desk run on SQLite."""

from __future__ import annotations

import tempfile
from pathlib import Path

from desk import accounts, queries
from ivr.events import now
from routing.storage import Database, migrate
from tests.desk.running_desk import AGENTS, PASSWORD, a_call, a_ticket
from tests.services import postgres_server


async def test_accounts_and_lists_on_postgresql() -> None:
    # Not in pytest's folder: when root runs the tests, the user postgres could not reach it.
    with tempfile.TemporaryDirectory(prefix="desk-postgres-") as folder, postgres_server(Path(folder)) as url:
        await migrate(url)
        database = Database(url)
        try:
            assert len(await accounts.ensure_agents(database, AGENTS)) == len(AGENTS)
            assert await accounts.ensure_agents(database, AGENTS) == []
            account = await accounts.check_password(database, "8001", PASSWORD)
            assert account and account.signature == "坐席一 8001"
            session = await accounts.open_session(database, "8001", 1)
            assert await accounts.account_of_session(database, session)
            await accounts.close_session(database, session)
            assert await accounts.account_of_session(database, session) is None
            token = await accounts.create_token(database, "auditor", "x")
            assert await accounts.role_of_token(database, token) == "auditor"

            talking, mine = a_call(), a_call(state="ended", ended_at=now())
            other = a_call(state="ended", ended_at=now(), agent="8002")
            async with database.begin() as db:
                db.add_all([talking, mine, other])
                await db.flush()
                db.add_all([a_ticket(call) for call in (talking, mine, other)])
            found = await queries.talking_call(database, "8001")
            assert found and found.call_id == talking.call_id
            drafts = await queries.open_drafts(database, "8001", 10)
            assert [call.call_id for _, call in drafts if call] == [mine.call_id, other.call_id]
            assert len(await queries.with_calls(database, [ticket for ticket, _ in drafts])) == 2
            assert await queries.draft_count(database) == 3
        finally:
            await database.close()
