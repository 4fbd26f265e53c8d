"""What the watch and the statistics keep."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_time = sa.DateTime(timezone=True)


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        # What a citizen said is long and is read ticket by ticket; lists and statistics read the rest, row after row.
        op.execute("ALTER TABLE tickets SET (toast_tuple_target = 512)")
    op.create_table(
        "notices",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=True),
        sa.Column("clock_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("acknowledged_at", _time, nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_notices_ticket_id")),
        sa.ForeignKeyConstraint(["clock_id"], ["clocks.id"], name=op.f("fk_notices_clock_id")),
        sa.UniqueConstraint("subject", "unit", name=op.f("uq_notices_subject_unit")),
    )
    op.create_index("ix_notices_ticket_id", "notices", ["ticket_id"])
    _partial("ix_notices_inbox", "notices", ["unit", "at", "id"], "acknowledged_at IS NULL")
    op.create_table(
        "watch_marks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("until", _time, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_watch_marks")),
    )
    for column in ("accepted_at", "dispatched_at", "completed_at", "due_at"):
        op.create_index(f"ix_tickets_{column}", "tickets", [column])
    op.create_index("ix_tasks_dispatched_at", "tasks", ["dispatched_at"])
    _partial("ix_tasks_redos_in_a_row", "tasks", ["redos_in_a_row"], "redos_in_a_row > 0")
    unfinished = "state IN ('dispatched', 'accepted', 'returning', 'submitted', 'redo')"
    _partial("ix_tasks_unfinished", "tasks", ["unit", "due_at"], unfinished)
    _partial("ix_clocks_late", "clocks", ["due_at"], "state IN ('breached', 'missed')")
    _partial("ix_clocks_untold", "clocks", ["id"], "state IN ('breached', 'missed') AND warned < 1")
    op.create_index("ix_callbacks_at", "callbacks", ["at"])
    op.create_index("ix_violations_at", "violations", ["at"])


def _partial(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where))
