"""Final opinions, nuisance calls, leader-answers sessions, appeals; and indexes for what is told again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_json = sa.JSON().with_variant(JSONB(), "postgresql")
_row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_index(
        op.f("ix_tickets_matter_place_state_created_at"), "tickets", ["matter", "place", "state", "created_at"]
    )
    op.create_index(op.f("ix_tickets_caller_key_matter"), "tickets", ["caller_key", "matter"])
    op.create_table(
        "final_opinions",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("matter", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("for_everyone", sa.Boolean(), nullable=False),
        sa.Column("grounds", _json, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("signed_by", sa.Text(), nullable=False),
        sa.Column("signed_role", sa.Text(), nullable=False),
        sa.Column("filed_at", _time, nullable=False),
        sa.Column("filed_by", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decided_at", _time, nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_final_opinions")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_final_opinions_ticket_id")),
    )
    op.create_index(op.f("ix_final_opinions_matter_place_state"), "final_opinions", ["matter", "place", "state"])
    op.create_index(op.f("ix_final_opinions_ticket_id"), "final_opinions", ["ticket_id"])
    op.create_table(
        "nuisance_calls",
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_nuisance_calls")),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"], name=op.f("fk_nuisance_calls_call_id")),
    )
    op.create_table(
        "nuisance_packages",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("calls", _json, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decided_at", _time, nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("handed_over_at", _time, nullable=True),
        sa.Column("handed_over_to", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nuisance_packages")),
    )
    op.create_index(op.f("ix_nuisance_packages_state"), "nuisance_packages", ["state"])
    op.create_table(
        "leader_sessions",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("leader", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("starts_at", _time, nullable=False),
        sa.Column("ends_at", _time, nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leader_sessions")),
    )
    op.create_index(op.f("ix_leader_sessions_starts_at"), "leader_sessions", ["starts_at"])
    op.create_table(
        "leader_calls",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("session_id", _row_id, nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("key_matter", sa.Boolean(), nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leader_calls")),
        sa.ForeignKeyConstraint(["session_id"], ["leader_sessions.id"], name=op.f("fk_leader_calls_session_id")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_leader_calls_ticket_id")),
        sa.UniqueConstraint("ticket_id", name=op.f("uq_leader_calls_ticket_id")),
    )
    op.create_index(op.f("ix_leader_calls_session_id"), "leader_calls", ["session_id"])
    op.create_table(
        "appeals",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=True),
        sa.Column("violation_id", _row_id, nullable=True),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("grounds", sa.Text(), nullable=False),
        sa.Column("evidence", _json, nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("filed_at", _time, nullable=False),
        sa.Column("filed_by", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("decided_at", _time, nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("told_at", _time, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appeals")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_appeals_ticket_id")),
        sa.ForeignKeyConstraint(["violation_id"], ["violations.id"], name=op.f("fk_appeals_violation_id")),
        sa.UniqueConstraint("subject", "unit", "occasion", name=op.f("uq_appeals_subject_unit_occasion")),
    )
    op.create_index(op.f("ix_appeals_period"), "appeals", ["period"])
    op.create_index(op.f("ix_appeals_ticket_id"), "appeals", ["ticket_id"])
    op.create_index(op.f("ix_appeals_decision"), "appeals", ["decision"])
