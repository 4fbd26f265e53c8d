"""What is kept of a ticket's life: the units' tasks, the clocks, and every decision with who made it.

Rows of decisions (returns, extensions, submissions, ...) are written once; only the columns of a decision that is
still open are filled later. Everything that changes is also a line of the ticket's history.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from routing.storage import Base, RowId, json_column


class Task(Base):
    """What one unit has to do for a ticket (主办 lead, 协办 assist). The lead's task carries the ticket's limit.

    `state`: dispatched, accepted, returning (a return waits for its review), returned, submitted, approved (inside
    the unit), redo, completed, withdrawn.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        Index("ix_tasks_unit_state_due_at", "unit", "state", "due_at"),
        Index("ix_tasks_ticket_id", "ticket_id"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"))
    unit: Mapped[str]
    role: Mapped[str]
    """lead or assist"""
    state: Mapped[str] = mapped_column(default="dispatched")
    round: Mapped[int] = mapped_column(default=1)
    """1 for the first dispatch of the ticket; goes up with every re-dispatch."""
    dispatched_at: Mapped[datetime]
    dispatched_by: Mapped[str]
    received_by: Mapped[str] = mapped_column(default="")
    """The unit's first receiver, by name (首接负责, YZ-24)."""
    told_by_phone: Mapped[str] = mapped_column(default="")
    """Who at the unit was told by telephone as well, as emergencies demand (YZ-14(4))."""
    verifies: Mapped[bool] = mapped_column(default=False)
    """Several units gave it back: this one leads and verifies the matter with the caller (YZ-21)."""
    contacted_at: Mapped[datetime | None] = mapped_column(default=None)
    accepted_at: Mapped[datetime | None] = mapped_column(default=None)
    started_at: Mapped[datetime | None] = mapped_column(default=None)
    """When the handling of an emergency began."""
    reported: Mapped[str] = mapped_column(default="")
    """What the unit told the centre of an emergency: the situation and what it does (YZ-14(4))."""
    submitted_at: Mapped[datetime | None] = mapped_column(default=None)
    completed_at: Mapped[datetime | None] = mapped_column(default=None)
    due_at: Mapped[datetime | None] = mapped_column(default=None)
    """The completion limit as it stands now; a copy of the running clock's, for work lists."""
    return_locked: Mapped[bool] = mapped_column(default=False)
    """A return was rejected, or the unit was determined: this unit may not return the ticket (YZ-17, TP-16)."""
    redos: Mapped[int] = mapped_column(default=0)
    redos_in_a_row: Mapped[int] = mapped_column(default=0)


class Clock(Base):
    """A limit that runs, or ran. `kind`: see routing.law.provisions.ClockKind, and citizen (S10).

    `state`: running, stopped (the duty is waiting for somebody else since `ended_at`), met, breached (over, and
    still open), missed (done, but late), cancelled.
    """

    __tablename__ = "clocks"
    __table_args__ = (
        Index("ix_clocks_ticket_id", "ticket_id"),
        # The watch reads only what may still become due: a small part of all clocks that ever ran.
        Index(
            "ix_clocks_next_look_at",
            "next_look_at",
            postgresql_where=text("next_look_at IS NOT NULL"),
            sqlite_where=text("next_look_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"))
    task_id: Mapped[int | None] = mapped_column(ForeignKey("tasks.id"), default=None)
    unit: Mapped[str] = mapped_column(default="")
    """The unit whose duty it is; empty: the centre's."""
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(default="running")
    started_at: Mapped[datetime]
    due_at: Mapped[datetime]
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    amount: Mapped[int]
    amount_unit: Mapped[str]
    steps: Mapped[list[dict[str, Any]]] = mapped_column(json_column, default=list)
    """What moved the limit since (routing.law.clocks: PutOff, Stopped), in order: `clocks.due(calendar, started_at,
    amount, steps)` gives `due_at`, with another calendar as well."""
    extended_times: Mapped[int] = mapped_column(default=0)
    rule: Mapped[str]
    article: Mapped[str]
    """The article that sets it; of another law where that law's limit replaced it."""
    ruling: Mapped[str] = mapped_column(default="")
    """The ruling that made it, where the document does not say it in these words (C3, S10, ...)."""
    calendar_version: Mapped[str]
    """Version of the working-day calendar that made `due_at`."""
    warned: Mapped[float] = mapped_column(default=0.0)
    """The highest fraction of the limit that has been warned of; 1: the breach has been told."""
    next_look_at: Mapped[datetime | None] = mapped_column(default=None)
    """When the watch has to look at it next: the next warning, or the limit; NULL: nothing more to tell."""
    why: Mapped[str] = mapped_column(default="")
    """Why it was missed, in the unit's words; V2 counts only what nobody explained."""


class Return(Base):
    """A unit gives a task back (退单). `decision`: empty, accepted, rejected or withdrawn (with its task)."""

    __tablename__ = "returns"
    __table_args__ = (Index("ix_returns_ticket_id", "ticket_id"), Index("ix_returns_decision", "decision"))

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"))
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"))
    unit: Mapped[str]
    at: Mapped[datetime]
    by: Mapped[str]
    reason: Mapped[str]
    basis: Mapped[str] = mapped_column(default="")
    safety: Mapped[str] = mapped_column(default="")
    """What the unit did about the danger, where the matter is one (YZ-15)."""
    decision: Mapped[str] = mapped_column(default="")
    decided_at: Mapped[datetime | None] = mapped_column(default=None)
    decided_by: Mapped[str] = mapped_column(default="")
    why: Mapped[str] = mapped_column(default="")


class ExtensionRequest(Base):
    """A unit asks for more time (延期). `decision`: empty, granted, refused or withdrawn (with its task)."""

    __tablename__ = "extensions"
    __table_args__ = (Index("ix_extensions_ticket_id", "ticket_id"), Index("ix_extensions_decision", "decision"))

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"))
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"))
    unit: Mapped[str]
    number: Mapped[int]
    """1 for the ticket's first."""
    at: Mapped[datetime]
    by: Mapped[str]
    reason: Mapped[str]
    amount: Mapped[int]
    amount_unit: Mapped[str]
    due_before: Mapped[datetime]
    due_after: Mapped[datetime | None] = mapped_column(default=None)
    decision: Mapped[str] = mapped_column(default="")
    decided_at: Mapped[datetime | None] = mapped_column(default=None)
    decided_by: Mapped[str] = mapped_column(default="")
    why: Mapped[str] = mapped_column(default="")
    caller_told_at: Mapped[datetime | None] = mapped_column(default=None)


class Submission(Base):
    """A unit's result, with the form that its intent demands. `decision`: empty, passed or rejected by the centre,
    disapproved inside the unit, or withdrawn (with its task).
    """

    __tablename__ = "submissions"
    __table_args__ = (Index("ix_submissions_ticket_id", "ticket_id"), Index("ix_submissions_decision", "decision"))

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"))
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id"))
    unit: Mapped[str]
    at: Mapped[datetime]
    by: Mapped[str]
    form: Mapped[dict[str, Any]] = mapped_column(json_column, default=dict)
    redo: Mapped[bool] = mapped_column(default=False)
    approvals: Mapped[list[dict[str, Any]]] = mapped_column(json_column, default=list)
    """[{"role", "by", "at"}] in the order in which they were given."""
    approved_at: Mapped[datetime | None] = mapped_column(default=None)
    """When the last approval that the class demands was given, and the result went to the centre."""
    decision: Mapped[str] = mapped_column(default="")
    decided_at: Mapped[datetime | None] = mapped_column(default=None)
    decided_by: Mapped[str] = mapped_column(default="")
    why: Mapped[str] = mapped_column(default="")


class Callback(Base):
    """One attempt to call the citizen back. `outcome`: reached, not_reached, refused, message."""

    __tablename__ = "callbacks"
    __table_args__ = (Index("ix_callbacks_ticket_id", "ticket_id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"))
    number: Mapped[int]
    round: Mapped[int] = mapped_column(default=1)
    """1 after the first completion, 2 after a redo, ..."""
    at: Mapped[datetime]
    by: Mapped[str]
    channel: Mapped[str] = mapped_column(default="telephone")
    outcome: Mapped[str]
    solved: Mapped[str] = mapped_column(default="")
    """What the citizen says: solved, unsolved, untreated; empty: not asked."""
    note: Mapped[str] = mapped_column(default="")


class Rating(Base):
    """The citizen's rating of one object (agent or result) after one round."""

    __tablename__ = "ratings"
    __table_args__ = (
        UniqueConstraint("ticket_id", "round", "object"),
        Index("ix_ratings_at", "at"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"))
    round: Mapped[int]
    object: Mapped[str]
    level: Mapped[str]
    reason: Mapped[str] = mapped_column(default="")
    at: Mapped[datetime]
    by: Mapped[str]
    """Who wrote it down; `citizen` where the citizen gave it directly."""
    exclusion: Mapped[str] = mapped_column(default="")
    """Code of the exclusion from the 实际参评满意率, ticked at callback (QH-3b)."""
    evidence: Mapped[str] = mapped_column(default="")
    """Words of the reply that prove the exclusion (QH-3c)."""


class EscalationRecord(Base):
    """A proposal to supervise (督办) or to submit to the leadership (呈批).

    `state`: proposed, confirmed, dismissed, done.
    """

    __tablename__ = "escalations"
    __table_args__ = (
        UniqueConstraint("ticket_id", "trigger", "occasion"),
        Index("ix_escalations_state", "state"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"))
    trigger: Mapped[str]
    occasion: Mapped[str] = mapped_column(default="")
    """What happened, as a key: the same occasion is proposed once, whoever notices it and however often."""
    supervise: Mapped[bool]
    leadership: Mapped[bool]
    rule: Mapped[str]
    state: Mapped[str] = mapped_column(default="proposed")
    at: Mapped[datetime]
    decided_at: Mapped[datetime | None] = mapped_column(default=None)
    decided_by: Mapped[str] = mapped_column(default="")
    why: Mapped[str] = mapped_column(default="")
    instruction: Mapped[str] = mapped_column(default="")
    """What the leadership wrote (批示)."""


class ViolationRecord(Base):
    """A violation of the eight rules, proposed or recorded (YZ-37). `state`: proposed, confirmed, dismissed."""

    __tablename__ = "violations"
    __table_args__ = (
        UniqueConstraint("unit", "violation", "occasion"),
        Index("ix_violations_unit_at", "unit", "at"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    unit: Mapped[str]
    violation: Mapped[str]
    """V1 to V8"""
    occasion: Mapped[str]
    """The ticket, or the month, that it is about; the same occasion is proposed once."""
    ticket_id: Mapped[str | None] = mapped_column(ForeignKey("tickets.id"), default=None)
    rule: Mapped[str]
    facts: Mapped[str]
    state: Mapped[str] = mapped_column(default="proposed")
    at: Mapped[datetime]
    by: Mapped[str]
    decided_at: Mapped[datetime | None] = mapped_column(default=None)
    decided_by: Mapped[str] = mapped_column(default="")
    why: Mapped[str] = mapped_column(default="")
    criticised_at: Mapped[datetime | None] = mapped_column(default=None)
    """When the unit was criticised for it (通报批评)."""
    objection: Mapped[str] = mapped_column(default="")


class TicketLink(Base):
    """Two tickets, or a call and a ticket, that belong together.

    `kind`: merged (the first is now part of the second), repeats (told again while the second is open), final (the
    second has a final opinion), answered_before, split (both came of one call).
    """

    __tablename__ = "ticket_links"
    __table_args__ = (
        UniqueConstraint("ticket_id", "to_ticket_id", "kind"),
        Index("ix_ticket_links_to_ticket_id", "to_ticket_id"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"))
    to_ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"))
    kind: Mapped[str]
    at: Mapped[datetime]
    by: Mapped[str]
    why: Mapped[str] = mapped_column(default="")


class Appeal(Base):
    """An appeal of a unit (申诉). `subject`: see routing.life.appeals. `decision`: empty, granted or rejected."""

    __tablename__ = "appeals"
    __table_args__ = (
        UniqueConstraint("subject", "unit", "occasion"),
        Index("ix_appeals_period", "period"),
        Index("ix_appeals_ticket_id", "ticket_id"),
        Index("ix_appeals_decision", "decision"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    subject: Mapped[str]
    unit: Mapped[str]
    occasion: Mapped[str]
    """What it is about, as a key: the same is appealed against once."""
    ticket_id: Mapped[str | None] = mapped_column(ForeignKey("tickets.id"), default=None)
    violation_id: Mapped[int | None] = mapped_column(ForeignKey("violations.id"), default=None)
    period: Mapped[str] = mapped_column(default="")
    """The month (2026-11) or year (2026) that it is about; of a ticket, the month in which it was rated."""
    grounds: Mapped[str]
    evidence: Mapped[list[dict[str, Any]]] = mapped_column(json_column, default=list)
    """[{"name", "sha256"}]: documents that the unit refers to."""
    rule: Mapped[str]
    filed_at: Mapped[datetime]
    filed_by: Mapped[str]
    decision: Mapped[str] = mapped_column(default="")
    decided_at: Mapped[datetime | None] = mapped_column(default=None)
    decided_by: Mapped[str] = mapped_column(default="")
    why: Mapped[str] = mapped_column(default="")
    told_at: Mapped[datetime | None] = mapped_column(default=None)
    """When the unit was given the answer."""
