"""What is kept of linkages: one row per call, its lines, every attempt, who was in the conference when; and beside
them the alarms, the proposals, what the stations were told, and the rehearsals.

Facts only: a line's state is derived from its attempts when it is read (routing.linkage.reading), so that events which
are told late or out of turn change nothing that is already known.
"""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from routing.storage import Base, RowId, json_column


class Linkage(Base):
    """The linkage of one call; a call has one at most, lines are added to it and taken out of it.

    `by`, `via`, `who`: who asked first (agent, caller, hotline, trunk), how, and under which name; `by` is empty while
    only later events are known. `rebuilt`: something of it was put together afterwards.
    """

    __tablename__ = "linkages"
    __table_args__ = (Index("ix_linkages_asked_at", "asked_at"),)

    call_id: Mapped[str] = mapped_column(ForeignKey("calls.call_id"), primary_key=True)
    ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"))
    asked_at: Mapped[datetime]
    by: Mapped[str] = mapped_column(default="")
    via: Mapped[str] = mapped_column(default="")
    who: Mapped[str] = mapped_column(default="")
    agent_at: Mapped[datetime | None] = mapped_column(default=None)
    """When an agent was with the caller: `asked_at` when one was already."""
    line_at: Mapped[datetime | None] = mapped_column(default=None)
    """When the first line answered."""
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    recording: Mapped[str] = mapped_column(default="")
    """The conference's file below the recordings folder."""
    rebuilt: Mapped[bool] = mapped_column(default=False)
    first_receiver: Mapped[str] = mapped_column(default="")
    """Who received the matter first: a line that handed the call over, else the hotline's own number."""
    duty: Mapped[str] = mapped_column(default="")
    """Whose matter it is (国办发〔2022〕12号): clear, unclear; empty: nobody has said."""
    accepted_by: Mapped[str] = mapped_column(default="")
    """Who accepted it: a line, or the hotline's number; where duty is unclear, the one that received first."""
    duty_note: Mapped[str] = mapped_column(default="")
    duty_by: Mapped[str] = mapped_column(default="")
    duty_at: Mapped[datetime | None] = mapped_column(default=None)


class LinkageLine(Base):
    """One line of one linkage; asked for again, it is the same row."""

    __tablename__ = "linkage_lines"
    __table_args__ = (UniqueConstraint("call_id", "line"), Index("ix_linkage_lines_line_asked_at", "line", "asked_at"))

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    call_id: Mapped[str] = mapped_column(ForeignKey("linkages.call_id"))
    line: Mapped[str]
    asked_at: Mapped[datetime]
    """When it was asked for first."""
    asked_again_at: Mapped[datetime | None] = mapped_column(default=None)
    """When it was asked for last, after the first time."""
    by: Mapped[str] = mapped_column(default="")
    via: Mapped[str] = mapped_column(default="")
    who: Mapped[str] = mapped_column(default="")
    answered_at: Mapped[datetime | None] = mapped_column(default=None)
    """When it answered for the first time."""
    exhausted_at: Mapped[datetime | None] = mapped_column(default=None)
    exhausted_dialling: Mapped[str] = mapped_column(default="")
    """Which dialling of it has come to its end (the newest such): it found nobody, or it had answered and hung up."""
    told_caller: Mapped[bool] = mapped_column(default=False)
    """That dialling found nobody, and the number was read to the caller."""
    told: Mapped[str] = mapped_column(default="")
    """The last stage that its station was told of: asked, answered, ended; empty: none."""
    told_details: Mapped[str] = mapped_column(default="")
    """SHA-256 of the details that its station was told last."""


class LineAttempt(Base):
    """One attempt to reach a line at one number. `outcome`: the furthest that it came (ivr.events.Outcome)."""

    __tablename__ = "line_attempts"
    __table_args__ = (
        UniqueConstraint("call_id", "line", "dialling", "attempt"),
        Index("ix_line_attempts_began_at", "began_at"),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    call_id: Mapped[str] = mapped_column(ForeignKey("linkages.call_id"))
    line: Mapped[str]
    dialling: Mapped[str]
    attempt: Mapped[int]
    number: Mapped[str]
    trunk: Mapped[str]
    outcome: Mapped[str]
    cause: Mapped[int] = mapped_column(default=0)
    detail: Mapped[str] = mapped_column(default="")
    began_at: Mapped[datetime]
    rang_at: Mapped[datetime | None] = mapped_column(default=None)
    answered_at: Mapped[datetime | None] = mapped_column(default=None)
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    rebuilt: Mapped[bool] = mapped_column(default=False)


class LinkagePresence(Base):
    """That a party was in the conference, from when to when. Coming back, it has another row."""

    __tablename__ = "linkage_presences"
    __table_args__ = (Index("ix_linkage_presences_call_id", "call_id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    call_id: Mapped[str] = mapped_column(ForeignKey("linkages.call_id"))
    party: Mapped[str]
    name: Mapped[str]
    """An extension or a line; empty for the caller, whose number stands with the call."""
    channel: Mapped[str]
    joined_at: Mapped[datetime | None] = mapped_column(default=None)
    """None: only that it left is known."""
    left_at: Mapped[datetime | None] = mapped_column(default=None)
    reason: Mapped[str] = mapped_column(default="")
    """Why it left: left, dropped, taken_out, ended."""
    muted: Mapped[bool] = mapped_column(default=False)
    rebuilt: Mapped[bool] = mapped_column(default=False)


class Alarm(Base):
    """What every desk must notice until somebody acknowledges it. `kind`: see routing.linkage.alarms."""

    __tablename__ = "linkage_alarms"
    __table_args__ = (UniqueConstraint("occasion"), Index("ix_linkage_alarms_acknowledged_at", "acknowledged_at"))

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    kind: Mapped[str]
    occasion: Mapped[str]
    """What happened, as a key: the same occasion raises one alarm, however often it is told."""
    call_id: Mapped[str | None] = mapped_column(ForeignKey("calls.call_id"), default=None)
    line: Mapped[str] = mapped_column(default="")
    at: Mapped[datetime]
    detail: Mapped[str] = mapped_column(default="")
    acknowledged_at: Mapped[datetime | None] = mapped_column(default=None)
    acknowledged_by: Mapped[str] = mapped_column(default="")


class LinkageProposal(Base):
    """Lines that the hotline proposes, from what the caller says. `state`: open, taken, dismissed."""

    __tablename__ = "linkage_proposals"
    __table_args__ = (Index("ix_linkage_proposals_call_id_state", "call_id", "state"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    call_id: Mapped[str]
    """No reference: whoever hears the words may be ahead of whoever writes the call down."""
    lines: Mapped[list[str]] = mapped_column(json_column, default=list)
    words: Mapped[list[str]] = mapped_column(json_column, default=list)
    """The spoken words that led to it."""
    at: Mapped[datetime]
    state: Mapped[str] = mapped_column(default="open")
    decided_at: Mapped[datetime | None] = mapped_column(default=None)
    decided_by: Mapped[str] = mapped_column(default="")


class StationNotice(Base):
    """A message for a station's webhook: kept until it is delivered, told under the same id each time.

    `state`: waiting, delivered, superseded (a newer one says more), given_up. `body` is emptied when nothing more is
    to be sent: it holds what a citizen said.
    """

    __tablename__ = "station_notices"
    __table_args__ = (
        UniqueConstraint("station", "occasion"),
        Index("ix_station_notices_state_next_at", "state", "next_at"),
        Index("ix_station_notices_call_id", "call_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: str(uuid.uuid4()))
    station: Mapped[str]
    """Its name in config/linkage.yaml."""
    occasion: Mapped[str]
    """What is told, as a key."""
    kind: Mapped[str]
    call_id: Mapped[str]
    """No reference: its check would wait for the intake, which holds the call and may wait for us."""
    line: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(default="waiting")
    next_at: Mapped[datetime]
    """When it is to be tried; in the future while somebody is sending it."""
    attempts: Mapped[int] = mapped_column(default=0)
    problem: Mapped[str] = mapped_column(default="")
    """Why the last attempt failed."""
    done_at: Mapped[datetime | None] = mapped_column(default=None)


class LineRehearsal(Base):
    """One rehearsal of one line. `result`: running, connected, failed, interrupted."""

    __tablename__ = "line_rehearsals"
    __table_args__ = (UniqueConstraint("line", "occasion"), Index("ix_line_rehearsals_line_at", "line", "at"))

    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    line: Mapped[str]
    occasion: Mapped[str]
    """The scheduled moment (so that of several servers one rehearses), or an id for one that a person asked for."""
    by: Mapped[str]
    """`schedule`, or who asked for it."""
    at: Mapped[datetime]
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    result: Mapped[str] = mapped_column(default="running")
    number: Mapped[str] = mapped_column(default="")
    trunk: Mapped[str] = mapped_column(default="")
    code: Mapped[str] = mapped_column(default="")
    """Stable code of the failure, as ivr.commands gives it."""
    detail: Mapped[str] = mapped_column(default="")
