"""What is kept of the knowledge base: items, all their versions, and which answers they served."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from routing.storage import Base, RowId


class KnowledgeItem(Base):
    """Something that the centre knows. `state`: draft (never published yet), published or withdrawn.

    `version` counts changes of the row (optimistic lock); the texts are versions of their own, by `number`.
    """

    __tablename__ = "knowledge_items"
    __table_args__ = (Index(None, "owner_unit", "state"), Index(None, "review_by"))

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    owner_unit: Mapped[str]
    """The unit that answers for it; empty: the centre."""
    state: Mapped[str] = mapped_column(default="draft")
    version: Mapped[int] = mapped_column(default=1)
    latest: Mapped[int] = mapped_column(default=1)
    """Number of the newest version, whatever its state."""
    published: Mapped[int | None] = mapped_column(default=None)
    """Number of the version that agents read; None: none."""
    review_by: Mapped[date | None] = mapped_column(default=None)
    """From the day after, the published version is stale."""
    used: Mapped[int] = mapped_column(default=0)
    last_used_at: Mapped[datetime | None] = mapped_column(default=None)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy reads it from the class


class KnowledgeVersion(Base):
    """A text of an item. `state`: draft, submitted, rejected, published, superseded or withdrawn."""

    __tablename__ = "knowledge_versions"
    __table_args__ = (UniqueConstraint("item_id", "number"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("knowledge_items.id"))
    number: Mapped[int]
    state: Mapped[str] = mapped_column(default="draft")
    title: Mapped[str]
    """The question, as callers ask it."""
    keywords: Mapped[str] = mapped_column(default="")
    """Other words for it, divided by blanks."""
    body: Mapped[str]
    matter: Mapped[str] = mapped_column(default="")
    """Id of the matter catalogue; empty: none."""
    source: Mapped[str] = mapped_column(default="")
    """What it rests on: a document, an article."""
    valid_from: Mapped[date]
    valid_until: Mapped[date | None] = mapped_column(default=None)
    """The last day on which it may be answered from; None: until further notice."""
    review_by: Mapped[date]
    written_at: Mapped[datetime]
    written_by: Mapped[str]
    decided_at: Mapped[datetime | None] = mapped_column(default=None)
    decided_by: Mapped[str] = mapped_column(default="")
    why: Mapped[str] = mapped_column(default="")


class KnowledgeUse(Base):
    """A version was answered from. With a ticket it counts once for that ticket."""

    __tablename__ = "knowledge_uses"
    __table_args__ = (UniqueConstraint("item_id", "ticket_id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("knowledge_items.id"))
    number: Mapped[int]
    ticket_id: Mapped[str | None] = mapped_column(ForeignKey("tickets.id"), index=True)
    at: Mapped[datetime]
    by: Mapped[str]
