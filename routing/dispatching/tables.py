"""What dispatching keeps: final opinions, marked nuisance calls, leader-answers sessions; and indexes on tickets.

Nothing here can turn a caller away: there is no table of unwanted callers, and none may be added (QH-5a).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from routing.storage import Base, RowId, Ticket, json_column

# Same matter at the same place, open ones: merging, final opinions and clusters look for it at every new ticket.
Index("ix_tickets_matter_place_state_created_at", Ticket.matter, Ticket.place, Ticket.state, Ticket.created_at)
# The same caller's tickets: repeated answers, and what is in progress already.
Index("ix_tickets_caller_key_matter", Ticket.caller_key, Ticket.matter)


class FinalOpinion(Base):
    """A unit's stamped final opinion (最终处理意见, 履责意见). `state`: filed, accepted, rejected, withdrawn."""

    __tablename__ = "final_opinions"
    __table_args__ = (
        Index("ix_final_opinions_matter_place_state", "matter", "place", "state"),
        Index("ix_final_opinions_ticket_id", "ticket_id"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"))
    unit: Mapped[str]
    matter: Mapped[str]
    place: Mapped[str]
    caller: Mapped[str] = mapped_column(default="")
    """The caller's key, as on the ticket."""
    for_everyone: Mapped[bool] = mapped_column(default=False)
    """It closes the matter whoever tells it; otherwise for this caller only. The centre decides (QH-5b)."""
    grounds: Mapped[list[str]] = mapped_column(json_column, default=list)
    text: Mapped[str]
    basis: Mapped[str]
    """The laws and documents that it rests on."""
    file_name: Mapped[str]
    """Of the stamped file in the data folder: its SHA-256 and its kind."""
    sha256: Mapped[str]
    signed_by: Mapped[str]
    signed_role: Mapped[str]
    filed_at: Mapped[datetime]
    filed_by: Mapped[str]
    state: Mapped[str] = mapped_column(default="filed")
    decided_at: Mapped[datetime | None] = mapped_column(default=None)
    decided_by: Mapped[str] = mapped_column(default="")
    why: Mapped[str] = mapped_column(default="")


class NuisanceCall(Base):
    """A call that somebody held to be a nuisance. It stands in evidence packages and nowhere else."""

    __tablename__ = "nuisance_calls"

    call_id: Mapped[str] = mapped_column(ForeignKey("calls.call_id"), primary_key=True)
    at: Mapped[datetime]
    by: Mapped[str]
    kind: Mapped[str]
    note: Mapped[str]


class NuisancePackage(Base):
    """Evidence for the police (QH-7, TP-38). `state`: made, approved, dismissed, handed_over."""

    __tablename__ = "nuisance_packages"
    __table_args__ = (Index("ix_nuisance_packages_state", "state"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    by: Mapped[str]
    why: Mapped[str]
    calls: Mapped[list[str]] = mapped_column(json_column, default=list)
    sha256: Mapped[str]
    """Of the package's canonical JSON, so that nobody changes it between decision and hand-over."""
    state: Mapped[str] = mapped_column(default="made")
    decided_at: Mapped[datetime | None] = mapped_column(default=None)
    decided_by: Mapped[str] = mapped_column(default="")
    handed_over_at: Mapped[datetime | None] = mapped_column(default=None)
    handed_over_to: Mapped[str] = mapped_column(default="")


class LeaderSession(Base):
    """Hours in which a leader answers calls (领导接听电话活动, TP-11). `unit`: the leader's."""

    __tablename__ = "leader_sessions"
    __table_args__ = (Index("ix_leader_sessions_starts_at", "starts_at"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    leader: Mapped[str]
    unit: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    at: Mapped[datetime]
    by: Mapped[str]


class LeaderCall(Base):
    """A ticket that a leader took in such a session, or that was assigned to the leader's unit afterwards."""

    __tablename__ = "leader_calls"
    __table_args__ = (UniqueConstraint("ticket_id"), Index("ix_leader_calls_session_id", "session_id"))

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("leader_sessions.id"))
    ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"))
    key_matter: Mapped[bool] = mapped_column(default=False)
    """Given to the unit as a matter of its own responsibility (包案)."""
    at: Mapped[datetime]
    by: Mapped[str]
