"""Linkages: the lines that were called into a conversation, each attempt, rehearsals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_time = sa.DateTime(timezone=True)
_json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # The calls that are there already need a value; SQLite cannot take a default away again, so it stays on both.
    op.add_column("calls", sa.Column("source", sa.Text(), nullable=False, server_default=""))
    op.create_index("ix_calls_source_arrived_at", "calls", ["source", "arrived_at"])
    op.create_table(
        "linkages",
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("asked_at", _time, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("agent_at", _time, nullable=True),
        sa.Column("line_at", _time, nullable=True),
        sa.Column("ended_at", _time, nullable=True),
        sa.Column("recording", sa.Text(), nullable=False),
        sa.Column("rebuilt", sa.Boolean(), nullable=False),
        sa.Column("first_receiver", sa.Text(), nullable=False),
        sa.Column("duty", sa.Text(), nullable=False),
        sa.Column("accepted_by", sa.Text(), nullable=False),
        sa.Column("duty_note", sa.Text(), nullable=False),
        sa.Column("duty_by", sa.Text(), nullable=False),
        sa.Column("duty_at", _time, nullable=True),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_linkages")),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"], name=op.f("fk_linkages_call_id")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_linkages_ticket_id")),
    )
    op.create_index("ix_linkages_asked_at", "linkages", ["asked_at"])
    op.create_table(
        "linkage_lines",
        sa.Column("id", _row_id, nullable=False, autoincrement=True),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("asked_at", _time, nullable=False),
        sa.Column("asked_again_at", _time, nullable=True),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("answered_at", _time, nullable=True),
        sa.Column("exhausted_at", _time, nullable=True),
        sa.Column("exhausted_dialling", sa.Text(), nullable=False),
        sa.Column("told_caller", sa.Boolean(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("told_details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_linkage_lines")),
        sa.ForeignKeyConstraint(["call_id"], ["linkages.call_id"], name=op.f("fk_linkage_lines_call_id")),
        sa.UniqueConstraint("call_id", "line", name=op.f("uq_linkage_lines_call_id_line")),
    )
    op.create_index("ix_linkage_lines_line_asked_at", "linkage_lines", ["line", "asked_at"])
    op.create_table(
        "line_attempts",
        sa.Column("id", _row_id, nullable=False, autoincrement=True),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("dialling", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("trunk", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("cause", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("began_at", _time, nullable=False),
        sa.Column("rang_at", _time, nullable=True),
        sa.Column("answered_at", _time, nullable=True),
        sa.Column("ended_at", _time, nullable=True),
        sa.Column("rebuilt", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_line_attempts")),
        sa.ForeignKeyConstraint(["call_id"], ["linkages.call_id"], name=op.f("fk_line_attempts_call_id")),
        sa.UniqueConstraint(
            "call_id", "line", "dialling", "attempt", name=op.f("uq_line_attempts_call_id_line_dialling_attempt")
        ),
    )
    op.create_index("ix_line_attempts_began_at", "line_attempts", ["began_at"])
    op.create_table(
        "linkage_presences",
        sa.Column("id", _row_id, nullable=False, autoincrement=True),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("party", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("joined_at", _time, nullable=True),
        sa.Column("left_at", _time, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("muted", sa.Boolean(), nullable=False),
        sa.Column("rebuilt", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_linkage_presences")),
        sa.ForeignKeyConstraint(["call_id"], ["linkages.call_id"], name=op.f("fk_linkage_presences_call_id")),
    )
    op.create_index("ix_linkage_presences_call_id", "linkage_presences", ["call_id"])
    op.create_table(
        "linkage_alarms",
        sa.Column("id", _row_id, nullable=False, autoincrement=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=True),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("acknowledged_at", _time, nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_linkage_alarms")),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"], name=op.f("fk_linkage_alarms_call_id")),
        sa.UniqueConstraint("occasion", name=op.f("uq_linkage_alarms_occasion")),
    )
    op.create_index("ix_linkage_alarms_acknowledged_at", "linkage_alarms", ["acknowledged_at"])
    op.create_table(
        "linkage_proposals",
        sa.Column("id", _row_id, nullable=False, autoincrement=True),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("lines", _json, nullable=False),
        sa.Column("words", _json, nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decided_at", _time, nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_linkage_proposals")),
    )
    op.create_index("ix_linkage_proposals_call_id_state", "linkage_proposals", ["call_id", "state"])
    op.create_table(
        "station_notices",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("station", sa.Text(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", _time, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("next_at", _time, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("done_at", _time, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_station_notices")),
        sa.UniqueConstraint("station", "occasion", name=op.f("uq_station_notices_station_occasion")),
    )
    op.create_index("ix_station_notices_state_next_at", "station_notices", ["state", "next_at"])
    op.create_index("ix_station_notices_call_id", "station_notices", ["call_id"])
    op.create_table(
        "line_rehearsals",
        sa.Column("id", _row_id, nullable=False, autoincrement=True),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("ended_at", _time, nullable=True),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("trunk", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_line_rehearsals")),
        sa.UniqueConstraint("line", "occasion", name=op.f("uq_line_rehearsals_line_occasion")),
    )
    op.create_index("ix_line_rehearsals_line_at", "line_rehearsals", ["line", "at"])
