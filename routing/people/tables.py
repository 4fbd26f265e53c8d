"""What is kept of the units' people."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from routing.storage import Base, RowId


class UnitContact(Base):
    """A person in a position of a unit, from `since` until the day before `until`. `position`: head, deputy, clerk."""

    __tablename__ = "unit_contacts"
    __table_args__ = (UniqueConstraint("unit", "position", "name", "since"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    unit: Mapped[str]
    position: Mapped[str]
    name: Mapped[str]
    telephone: Mapped[str] = mapped_column(default="")
    since: Mapped[date]
    until: Mapped[date | None] = mapped_column(default=None)


class ContactChange(Base):
    """A position changed hands, on `changed_on`; empty `before` or `after`: nobody. It has to be reported (YZ-10)."""

    __tablename__ = "contact_changes"
    __table_args__ = (Index(None, "unit"), Index(None, "reported_at"))

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    unit: Mapped[str]
    position: Mapped[str]
    before: Mapped[str] = mapped_column(default="")
    after: Mapped[str] = mapped_column(default="")
    changed_on: Mapped[date]
    noted_at: Mapped[datetime]
    noted_by: Mapped[str]
    reported_at: Mapped[datetime | None] = mapped_column(default=None)
    reported_by: Mapped[str] = mapped_column(default="")


class DutyDay(Base):
    """A bureau chief is on duty at the centre (局长在线值班, YZ-30) for one day."""

    __tablename__ = "duty_days"
    __table_args__ = (UniqueConstraint("day", "unit"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    day: Mapped[date]
    unit: Mapped[str]
    chief: Mapped[str]
    title: Mapped[str] = mapped_column(default="")
    telephone: Mapped[str] = mapped_column(default="")
    planned_by: Mapped[str]
    published_at: Mapped[datetime | None] = mapped_column(default=None)
    published_by: Mapped[str] = mapped_column(default="")
    arrived_at: Mapped[datetime | None] = mapped_column(default=None)
    left_at: Mapped[datetime | None] = mapped_column(default=None)
    note: Mapped[str] = mapped_column(default="")
