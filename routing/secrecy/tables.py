"""What is kept of confidentiality: marks on tickets, who read what was masked, what was approved to leave."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from routing.storage import Base, RowId


class SecrecyMark(Base):
    """A ticket was marked; the newest mark of a ticket holds. `category`: why the law has it encrypted (YL-23)."""

    __tablename__ = "secrecy_marks"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"), index=True)
    at: Mapped[datetime]
    by: Mapped[str]
    identity: Mapped[bool]
    content: Mapped[bool]
    category: Mapped[str] = mapped_column(default="")
    tracker: Mapped[str] = mapped_column(default="")
    """Who follows it to its end, by name (专人跟踪落实)."""
    why: Mapped[str] = mapped_column(default="")


class AccessEntry(Base):
    """Somebody asked for a masked field. `outcome`: shown or refused. Append-only in the database itself."""

    __tablename__ = "access_log"
    __table_args__ = (Index(None, "at"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    role: Mapped[str]
    unit: Mapped[str] = mapped_column(default="")
    ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"), index=True)
    field: Mapped[str]
    reason: Mapped[str]
    outcome: Mapped[str]


class Release(Base):
    """Data that somebody wants to take out (YL-24). `decision`: empty, approved or refused. It serves once."""

    __tablename__ = "releases"

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    kind: Mapped[str]
    """What leaves: statistics, tickets, recordings, ..."""
    scope: Mapped[str]
    """Which part of it, in words or as the parameters of the export; only this may be taken."""
    purpose: Mapped[str]
    rule: Mapped[str] = mapped_column(default="")
    asked_at: Mapped[datetime]
    asked_by: Mapped[str]
    decision: Mapped[str] = mapped_column(default="", index=True)
    decided_at: Mapped[datetime | None] = mapped_column(default=None)
    decided_by: Mapped[str] = mapped_column(default="")
    why: Mapped[str] = mapped_column(default="")
    expires_at: Mapped[datetime | None] = mapped_column(default=None)
    used_at: Mapped[datetime | None] = mapped_column(default=None)
    used_by: Mapped[str] = mapped_column(default="")
    sha256: Mapped[str] = mapped_column(default="")
    """Of the file that left."""


class SealKey(Base):
    """A key that something here is sealed with: its fingerprint, so that a wrong key file is noticed at the start."""

    __tablename__ = "seal_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    noted_at: Mapped[datetime]


class Resealing(Base):
    """One row while, and only inside, a transaction that writes sealed texts anew."""

    __tablename__ = "resealing"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
