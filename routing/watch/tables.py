"""What the watch keeps: the notices that it raised, and up to where it has looked; and the indexes that it reads by."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from routing.life.tables import Callback, Clock, Task, ViolationRecord
from routing.storage import Base, RowId, Ticket

UNREAD = text("notices.acknowledged_at IS NULL")


class Notice(Base):
    """Something that a unit or the centre should look at. It names tickets by serial number, never a citizen.

    One subject has one notice per reader, brought up to date by whatever happens to it next: a watch that catches up
    after days says of each clock once where it stands, not all that it would have said on the way.

    `kind`: warning, overdue, proposal, violation, criticism, knowledge, contacts, calendar, cluster, experts,
    training.
    """

    __tablename__ = "notices"
    __table_args__ = (
        UniqueConstraint("subject", "unit"),
        Index("ix_notices_ticket_id", "ticket_id"),
        Index(
            "ix_notices_inbox",
            "unit",
            "at",
            "id",
            postgresql_where=text("acknowledged_at IS NULL"),
            sqlite_where=text("acknowledged_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    subject: Mapped[str]
    """What it is about, as a key: clock:17, escalation:4, calendar:2026."""
    unit: Mapped[str] = mapped_column(default="")
    """The unit that should look; empty: the centre."""
    kind: Mapped[str]
    ticket_id: Mapped[str | None] = mapped_column(ForeignKey("tickets.id"), default=None)
    clock_id: Mapped[int | None] = mapped_column(ForeignKey("clocks.id"), default=None)
    """The clock that it is about: once that has ended, the notice is out of the inbox by itself."""
    text: Mapped[str]
    rule: Mapped[str]
    at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None] = mapped_column(default=None)
    acknowledged_by: Mapped[str] = mapped_column(default="")


class WatchMark(Base):
    """Up to when one kind of events has been looked through; a watch that stood still goes on from there."""

    __tablename__ = "watch_marks"

    name: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime]


LATE = text("clocks.state IN ('breached', 'missed')")
"""Clocks that were over before the duty was done. The condition of the index, word for word: a database that is given
the states as parameters cannot know that the index holds them."""

UNTOLD = text("clocks.state IN ('breached', 'missed') AND clocks.warned < 1")
"""Those that the watch has not told of: somebody who changed the ticket was there first."""

UNFINISHED = text("tasks.state IN ('dispatched', 'accepted', 'returning', 'submitted', 'redo')")
"""Tasks in which something is left to do inside the unit."""

_UNFINISHED = text("state IN ('dispatched', 'accepted', 'returning', 'submitted', 'redo')")
_LATE = text("state IN ('breached', 'missed')")
_UNTOLD = text("state IN ('breached', 'missed') AND warned < 1")
_OFTEN_REDONE = text("redos_in_a_row > 0")

# What the watch and the statistics look for by time. The tables are those of routing.storage and routing.life.
Index("ix_tickets_accepted_at", Ticket.accepted_at)
Index("ix_tickets_dispatched_at", Ticket.dispatched_at)
Index("ix_tickets_completed_at", Ticket.completed_at)
Index("ix_tickets_due_at", Ticket.due_at)
Index("ix_tasks_dispatched_at", Task.dispatched_at)
Index("ix_tasks_redos_in_a_row", Task.redos_in_a_row, postgresql_where=_OFTEN_REDONE, sqlite_where=_OFTEN_REDONE)
Index("ix_tasks_unfinished", Task.unit, Task.due_at, postgresql_where=_UNFINISHED, sqlite_where=_UNFINISHED)
Index("ix_clocks_late", Clock.due_at, postgresql_where=_LATE, sqlite_where=_LATE)
Index("ix_clocks_untold", Clock.id, postgresql_where=_UNTOLD, sqlite_where=_UNTOLD)
Index("ix_callbacks_at", Callback.at)
Index("ix_violations_at", ViolationRecord.at)
