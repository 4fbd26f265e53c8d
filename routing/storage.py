"""What routing keeps: calls, what was said in them, tickets, and the history of every ticket (SQL).

The same schema runs on SQLite (default) and PostgreSQL (by URL). All times are timezone-aware UTC. JSON columns
are replaced as a whole, never changed in place, so that a change is always seen and always written.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypedDict

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import (
    JSON,
    BigInteger,
    Connection,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    UniqueConstraint,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Mapper, mapped_column
from sqlalchemy.types import Text, TypeDecorator

from routing.secrecy import sealing
from routing.secrecy.keys import Keys

FIELDS = (
    "time",
    "place",
    "person",
    "event",
    "demand",
    "callback_number",
    "intent",
    "urgency",
    "matter",
    "functional_unit",
    "territorial_unit",
)
"""The fields of a ticket in the order of the form; the first five are the five elements (QH-1, S7).

`intent`, `urgency`, `matter` and the two units hold ids of the jurisdiction; the others hold text.
"""

PROPOSED = ("intent", "urgency", "matter", "functional_unit", "territorial_unit")
"""The fields for which a ranked proposal is kept beside the value."""

SQLITE_BUSY_SECONDS = 5.0
"""How long a writer waits for another one before SQLite says that the database is locked."""

POSTGRES_CONNECT_SECONDS = 5.0

DATABASE_AWAY = (SQLAlchemyError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What is raised when the database is not there, or stopped answering; what waits for it catches these."""

MIGRATION_LOCK = 0x12345
"""Key of the PostgreSQL advisory lock that lets one process migrate at a time."""


class FieldValue(TypedDict):
    """One field of a ticket. `words` are the spoken words that led to it, `utterances` their row ids."""

    value: str
    source: Literal["machine", "agent"]
    words: list[str]
    confidence: float | None
    utterances: list[int]
    by: str


class Candidate(TypedDict):
    """One entry of a ranked proposal. `score` is 0-1, `reason` is Chinese text for the agent."""

    id: str
    name: str
    score: float
    words: list[str]
    reason: str


class UtcDateTime(TypeDecorator[datetime]):
    """Timezone-aware UTC on both databases. Raises ValueError for a time without a timezone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no timezone; the database holds UTC only")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        # SQLite gives back what was written without its timezone, which was UTC.
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


json_column = JSON().with_variant(JSONB(), "postgresql")
RowId = BigInteger().with_variant(Integer(), "sqlite")


class Base(DeclarativeBase):
    """All tables; constraints are named by rule, so that migrations can name them too."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {str: Text(), datetime: UtcDateTime()}  # noqa: RUF012 - SQLAlchemy reads it from the class


sealing.listen(Base)


class Call(Base):
    """A citizen's call, as the telephone side told it. `state`: arriving, waiting, ringing, talking or ended."""

    __tablename__ = "calls"
    __table_args__ = (
        Index(None, "state", "node"),
        Index(None, "arrived_at"),
        Index(None, "source", "arrived_at"),
        Index(None, "caller_key", "arrived_at"),
    )

    call_id: Mapped[str] = mapped_column(primary_key=True)
    node: Mapped[str] = mapped_column(default="")
    caller_number: Mapped[str] = mapped_column(default="")
    caller_key: Mapped[str] = mapped_column(default="")
    """As `Ticket.caller_key`; calls of one caller are found by it, as the number is sealed."""
    caller_name: Mapped[str] = mapped_column(default="")
    called_number: Mapped[str] = mapped_column(default="")
    trunk: Mapped[str] = mapped_column(default="")
    source: Mapped[str] = mapped_column(default="")
    """The line that handed the call over, such as 110 (YL-3); empty: the citizen dialled."""
    channel: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default="arriving")
    queue: Mapped[str] = mapped_column(default="")
    position: Mapped[int] = mapped_column(default=0)
    agent: Mapped[str] = mapped_column(default="")
    """The extension whose telephone rings or who talks; after the end, the last one."""
    arrived_at: Mapped[datetime]
    queued_at: Mapped[datetime | None] = mapped_column(default=None)
    answered_at: Mapped[datetime | None] = mapped_column(default=None)
    """When an agent answered for the first time; None: nobody has."""
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    ended_by: Mapped[str] = mapped_column(default="")
    cause: Mapped[int] = mapped_column(default=0)
    unseen: Mapped[bool] = mapped_column(default=False)
    """It ended while nobody looked."""
    rebuilt: Mapped[bool] = mapped_column(default=False)
    listening: Mapped[dict[str, Any]] = mapped_column(json_column, default=dict)
    """{speaker: {"state": on, no_model, overloaded, tap_failed or stalled, "model": str, "detail": str,
    "taps": {tap id: when its audio began (ISO 8601)}}}"""


class Utterance(Base):
    """What one speaker said between two pauses. `start` and `end` are seconds of the leg's audio."""

    __tablename__ = "utterances"
    __table_args__ = (UniqueConstraint("tap_id", "number"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    call_id: Mapped[str] = mapped_column(ForeignKey("calls.call_id"), index=True)
    speaker: Mapped[str]
    tap_id: Mapped[str]
    number: Mapped[int]
    at: Mapped[datetime]
    text: Mapped[str]
    start: Mapped[float]
    end: Mapped[float]
    confidence: Mapped[float]
    words: Mapped[list[dict[str, Any]]] = mapped_column(json_column, default=list)
    """[{"text", "start", "end", "confidence"}]"""


class ToldEvent(Base):
    """An event that has been applied; written in the same transaction as its effects. `at`: when applied."""

    __tablename__ = "told_events"

    event_id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)


class TicketCounter(Base):
    """The last serial number given for a prefix and day."""

    __tablename__ = "ticket_counters"

    prefix: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    last: Mapped[int]


class Ticket(Base):
    """A caller's matter. `state`: see routing.life.states. `attention`: why a supervisor should look, or empty.

    While it is a draft everything stands in `fields`; what the law decides by is copied from there into columns of
    its own when the ticket is accepted, and is changed by decisions only.

    `version` goes up by one with every change; a writer that has read an older one loses (optimistic lock).
    """

    __tablename__ = "tickets"
    __table_args__ = (
        Index(None, "created_at", "id"),
        Index(None, "state"),
        Index(None, "attention"),
        Index(None, "lead_unit", "state"),
        Index(
            "uq_tickets_external_id",
            "external_id",
            unique=True,
            postgresql_where=text("external_id <> ''"),
            sqlite_where=text("external_id <> ''"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: str(uuid.uuid4()))
    serial: Mapped[str] = mapped_column(unique=True)
    call_id: Mapped[str | None] = mapped_column(ForeignKey("calls.call_id"), unique=True)
    jurisdiction: Mapped[str]
    state: Mapped[str] = mapped_column(default="draft")
    attention: Mapped[str] = mapped_column(default="")
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    caller_number: Mapped[str] = mapped_column(default="")
    called_number: Mapped[str] = mapped_column(default="")
    fields: Mapped[dict[str, FieldValue]] = mapped_column(json_column, default=lambda: blank_fields())
    """One `FieldValue` for every name in `FIELDS`, empty ones included."""
    proposals: Mapped[dict[str, list[Candidate]]] = mapped_column(
        json_column, default=lambda: {n: [] for n in PROPOSED}
    )
    """For every name in `PROPOSED` the candidates, best first."""

    channel: Mapped[str] = mapped_column(default="电话")
    external_id: Mapped[str] = mapped_column(default="")
    """The ticket's id on the city's platform, where it came from there or was sent up (YZ-6(8))."""
    intent: Mapped[str] = mapped_column(default="")
    urgency: Mapped[str] = mapped_column(default="")
    handling_class: Mapped[str] = mapped_column(default="")
    matter: Mapped[str] = mapped_column(default="")
    scope: Mapped[str] = mapped_column(default="")
    """The item of the intake scope, such as YZ-11-3."""
    ground: Mapped[str] = mapped_column(default="")
    """The ground of refusal, such as YZ-12-5; or what it was referred to: 114, discipline, out_of_area, a line."""
    functional_unit: Mapped[str] = mapped_column(default="")
    territorial_unit: Mapped[str] = mapped_column(default="")
    lead_unit: Mapped[str] = mapped_column(default="")
    """The lead unit's id since the last dispatch."""
    place: Mapped[str] = mapped_column(default="")
    """Name of the place in the gazetteer, as far as it is known; for merging and statistics."""
    caller_key: Mapped[str] = mapped_column(default="")
    """The same for tickets of the same caller and nothing else: a keyed hash, never the number itself."""
    hazard: Mapped[bool] = mapped_column(default=False)
    anonymous: Mapped[bool] = mapped_column(default=False)
    identity_secret: Mapped[bool] = mapped_column(default=False)
    content_secret: Mapped[bool] = mapped_column(default=False)
    restricted_to: Mapped[str] = mapped_column(default="")
    """The only unit that may see it, apart from those who took it in (discipline matters)."""
    direct: Mapped[bool] = mapped_column(default=False)
    """Dispatched by the direct-dispatch list (直派清单)."""
    supervised: Mapped[bool] = mapped_column(default=False)
    return_locked: Mapped[bool] = mapped_column(default=False)
    """The unit was determined by a dispute procedure: no unit may return it any more (TP-16)."""
    extensions: Mapped[int] = mapped_column(default=0)
    """How many extensions were granted."""
    redos: Mapped[int] = mapped_column(default=0)
    rounds: Mapped[int] = mapped_column(default=0)
    """How often it has been dispatched."""
    truth_reminded_at: Mapped[datetime | None] = mapped_column(default=None)
    """When the caller was reminded that a report has to be true (YZ-33)."""
    pre_reviewed_at: Mapped[datetime | None] = mapped_column(default=None)
    """When the host agreed to the first opinion, so that it may be dispatched (YL-14(2))."""
    accepted_at: Mapped[datetime | None] = mapped_column(default=None)
    accepted_by: Mapped[str] = mapped_column(default="")
    dispatched_at: Mapped[datetime | None] = mapped_column(default=None)
    """The first dispatch: where the citizen's own clock began (S10)."""
    due_at: Mapped[datetime | None] = mapped_column(default=None)
    """The completion limit as it stands now."""
    completed_at: Mapped[datetime | None] = mapped_column(default=None)
    """When the result that the centre passed was submitted; answered on the spot: when it was answered."""
    late: Mapped[bool | None] = mapped_column(default=None)
    """Whether it was completed after its limit; None: not completed, or it had none."""
    reviewed_at: Mapped[datetime | None] = mapped_column(default=None)
    """When the centre passed the result."""
    called_back_at: Mapped[datetime | None] = mapped_column(default=None)
    archived_at: Mapped[datetime | None] = mapped_column(default=None)

    # One change of a ticket is one new version, however often the session flushes: the services count, not the ORM.
    __mapper_args__ = {"version_id_col": version, "version_id_generator": False}  # noqa: RUF012


class TicketChange(Base):
    """One line of a ticket's history. Append-only: the database itself refuses to change or delete one."""

    __tablename__ = "ticket_changes"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"), index=True)
    version: Mapped[int]
    """The version of the ticket that this change made."""
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    """opened, filled, edited, attention, ...; an action of routing.life.states."""
    field: Mapped[str] = mapped_column(default="")
    before: Mapped[str] = mapped_column(default="")
    after: Mapped[str] = mapped_column(default="")
    why: Mapped[str] = mapped_column(default="")
    rule: Mapped[str] = mapped_column(default="")


def blank_fields() -> dict[str, FieldValue]:
    """All fields of a ticket, empty."""
    return {
        name: FieldValue(value="", source="machine", words=[], confidence=None, utterances=[], by="") for name in FIELDS
    }


class AppendOnly(Exception):
    """A line of a ticket's history was to be changed or deleted."""


@event.listens_for(TicketChange, "before_update")
@event.listens_for(TicketChange, "before_delete")
def _refuse(mapper: Mapper[Any], connection: Connection, target: TicketChange) -> None:
    raise AppendOnly(f"line {target.id} of ticket {target.ticket_id}: the history is only added to")


class Database:
    """The engine and its sessions. Objects stay readable after their session has ended."""

    def __init__(self, url: str, *, keys: Keys | None = None, busy_seconds: float = SQLITE_BUSY_SECONDS) -> None:
        """With `keys` what citizens said is sealed (routing.secrecy.sealing); without, only open rows can be read."""
        self.url = url
        self.keys = keys
        self._engine = engine(url, busy_seconds=busy_seconds)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False, info={"keys": keys})

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session for reading. What was not committed at the end is rolled back."""
        async with self._sessions() as session:
            yield session

    @contextlib.asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncSession]:
        """A session for writing: committed at the end, rolled back when the block raises.

        On SQLite the write lock is taken at once. A transaction that reads first and writes later would
        fail, not wait, when another one has written in between.
        """
        async with self._sessions.begin() as session:
            await session.connection(execution_options={"writes": True})
            yield session

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


def engine(url: str, *, busy_seconds: float = SQLITE_BUSY_SECONDS, statement_seconds: float = 30.0) -> AsyncEngine:
    """An engine for `url`: `sqlite+aiosqlite:///PATH` or `postgresql+asyncpg://...`.

    Parameters of statements are kept out of errors and logs: they are what citizens said (YZ-26).
    """
    if url.startswith("sqlite"):
        made = create_async_engine(url, hide_parameters=True)
        _set_up_sqlite(made, busy_seconds)
        return made
    # A connection that the server closed while it lay in the pool (restart, failover) is replaced before use; one to
    # a server that has vanished without a word is given up, so that the trouble is noticed and shown.
    patience = {"timeout": POSTGRES_CONNECT_SECONDS, "command_timeout": statement_seconds}
    return create_async_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=patience)


def _set_up_sqlite(made: AsyncEngine, busy_seconds: float) -> None:
    @event.listens_for(made.sync_engine, "connect")
    def connected(connection: Any, record: Any) -> None:
        # The driver's own idea of when a transaction begins is switched off; `begun` below says BEGIN.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(busy_seconds * 1000)}")
        cursor.execute("PRAGMA journal_mode = WAL")
        # With WAL, NORMAL can lose the last commits in a power cut, and an event is acknowledged after its commit.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(made.sync_engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_SECONDS = 600.0
"""How long one process waits for another one that migrates, and for one step of its own."""


def migration_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration: the scripts of routing/migrations, run on `connection`."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


async def migrate(url: str) -> None:
    """Bring the schema to the newest version. Two processes may do so at once: one waits for the other.

    Within one process only one at a time: Alembic keeps its context in module globals.
    Raises what SQLAlchemy raises when the database cannot be reached.
    """
    made = engine(url, busy_seconds=_MIGRATION_SECONDS, statement_seconds=_MIGRATION_SECONDS)
    try:
        async with made.connect() as connection:
            await connection.run_sync(lambda sync: command.upgrade(migration_config(sync), "head"))
    finally:
        # Shielded: a cancelled start must not leave a connection (and its lock) behind.
        await asyncio.shield(made.dispose())
