"""What units do with tickets, clocks, decisions, callbacks and ratings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_json = sa.JSON().with_variant(JSONB(), "postgresql")
_row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_time = sa.DateTime(timezone=True)

_TEXTS = (
    ("channel", "电话"),
    ("external_id", ""),
    ("intent", ""),
    ("urgency", ""),
    ("handling_class", ""),
    ("matter", ""),
    ("scope", ""),
    ("ground", ""),
    ("functional_unit", ""),
    ("territorial_unit", ""),
    ("lead_unit", ""),
    ("place", ""),
    ("caller_key", ""),
    ("restricted_to", ""),
)
_FLAGS = ("hazard", "anonymous", "identity_secret", "content_secret", "direct", "supervised", "return_locked")
_NUMBERS = ("extensions", "redos", "rounds")
_TIMES = (
    "truth_reminded_at",
    "pre_reviewed_at",
    "dispatched_at",
    "due_at",
    "completed_at",
    "reviewed_at",
    "called_back_at",
    "archived_at",
)


def upgrade() -> None:
    _tickets()
    _tasks_and_clocks()
    _decisions()
    _citizens()
    _proposals_and_links()


def _tickets() -> None:
    # The tickets that are there already need a value; SQLite cannot take a default away again, so it stays on both.
    for name, default in _TEXTS:
        op.add_column("tickets", sa.Column(name, sa.Text(), nullable=False, server_default=default))
    for name in _FLAGS:
        op.add_column("tickets", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
    for name in _NUMBERS:
        op.add_column("tickets", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    for name in _TIMES:
        op.add_column("tickets", sa.Column(name, _time, nullable=True))
    op.add_column("tickets", sa.Column("late", sa.Boolean(), nullable=True))
    op.create_index(op.f("ix_tickets_lead_unit_state"), "tickets", ["lead_unit", "state"])
    op.create_index(
        "uq_tickets_external_id",
        "tickets",
        ["external_id"],
        unique=True,
        postgresql_where=sa.text("external_id <> ''"),
        sqlite_where=sa.text("external_id <> ''"),
    )
    # What an agent had confirmed is what the law calls accepted (受理).
    op.execute("ALTER TABLE tickets RENAME COLUMN confirmed_at TO accepted_at")
    op.execute("ALTER TABLE tickets RENAME COLUMN confirmed_by TO accepted_by")
    op.execute("UPDATE tickets SET state = 'accepted' WHERE state = 'confirmed'")


def _tasks_and_clocks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("dispatched_at", _time, nullable=False),
        sa.Column("dispatched_by", sa.Text(), nullable=False),
        sa.Column("received_by", sa.Text(), nullable=False),
        sa.Column("told_by_phone", sa.Text(), nullable=False),
        sa.Column("verifies", sa.Boolean(), nullable=False),
        sa.Column("contacted_at", _time, nullable=True),
        sa.Column("accepted_at", _time, nullable=True),
        sa.Column("started_at", _time, nullable=True),
        sa.Column("reported", sa.Text(), nullable=False),
        sa.Column("submitted_at", _time, nullable=True),
        sa.Column("completed_at", _time, nullable=True),
        sa.Column("due_at", _time, nullable=True),
        sa.Column("return_locked", sa.Boolean(), nullable=False),
        sa.Column("redos", sa.Integer(), nullable=False),
        sa.Column("redos_in_a_row", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_tasks_ticket_id")),
    )
    op.create_index("ix_tasks_unit_state_due_at", "tasks", ["unit", "state", "due_at"])
    op.create_index("ix_tasks_ticket_id", "tasks", ["ticket_id"])
    op.create_table(
        "clocks",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("task_id", _row_id, nullable=True),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", _time, nullable=False),
        sa.Column("due_at", _time, nullable=False),
        sa.Column("ended_at", _time, nullable=True),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("amount_unit", sa.Text(), nullable=False),
        sa.Column("steps", _json, nullable=False),
        sa.Column("extended_times", sa.Integer(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("article", sa.Text(), nullable=False),
        sa.Column("ruling", sa.Text(), nullable=False),
        sa.Column("calendar_version", sa.Text(), nullable=False),
        sa.Column("warned", sa.Double(), nullable=False),
        sa.Column("next_look_at", _time, nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clocks")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_clocks_ticket_id")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_clocks_task_id")),
    )
    op.create_index("ix_clocks_ticket_id", "clocks", ["ticket_id"])
    op.create_index(
        "ix_clocks_next_look_at",
        "clocks",
        ["next_look_at"],
        postgresql_where=sa.text("next_look_at IS NOT NULL"),
        sqlite_where=sa.text("next_look_at IS NOT NULL"),
    )


def _decisions() -> None:
    op.create_table(
        "returns",
        *_of_a_task("returns"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.Column("safety", sa.Text(), nullable=False),
        *_decision(),
    )
    op.create_table(
        "extensions",
        *_of_a_task("extensions"),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("amount_unit", sa.Text(), nullable=False),
        sa.Column("due_before", _time, nullable=False),
        sa.Column("due_after", _time, nullable=True),
        *_decision(),
        sa.Column("caller_told_at", _time, nullable=True),
    )
    op.create_table(
        "submissions",
        *_of_a_task("submissions"),
        sa.Column("form", _json, nullable=False),
        sa.Column("redo", sa.Boolean(), nullable=False),
        sa.Column("approvals", _json, nullable=False),
        sa.Column("approved_at", _time, nullable=True),
        *_decision(),
    )
    for table in ("returns", "extensions", "submissions"):
        op.create_index(f"ix_{table}_ticket_id", table, ["ticket_id"])
        op.create_index(f"ix_{table}_decision", table, ["decision"])


def _of_a_task(table: str) -> list[sa.Column[object] | sa.Constraint]:
    return [
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("task_id", _row_id, nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f(f"fk_{table}_ticket_id")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f(f"fk_{table}_task_id")),
    ]


def _decision() -> list[sa.Column[object]]:
    return [
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("decided_at", _time, nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
    ]


def _citizens() -> None:
    op.create_table(
        "callbacks",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("solved", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callbacks")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_callbacks_ticket_id")),
    )
    op.create_index("ix_callbacks_ticket_id", "callbacks", ["ticket_id"])
    op.create_table(
        "ratings",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("exclusion", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ratings")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ratings_ticket_id")),
        sa.UniqueConstraint("ticket_id", "round", "object", name=op.f("uq_ratings_ticket_id_round_object")),
    )
    op.create_index("ix_ratings_at", "ratings", ["at"])


def _proposals_and_links() -> None:
    op.create_table(
        "escalations",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("supervise", sa.Boolean(), nullable=False),
        sa.Column("leadership", sa.Boolean(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("decided_at", _time, nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("instruction", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_escalations")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_escalations_ticket_id")),
        sa.UniqueConstraint("ticket_id", "trigger", "occasion", name=op.f("uq_escalations_ticket_id_trigger_occasion")),
    )
    op.create_index("ix_escalations_state", "escalations", ["state"])
    op.create_table(
        "violations",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("violation", sa.Text(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("decided_at", _time, nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("criticised_at", _time, nullable=True),
        sa.Column("objection", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_violations")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_violations_ticket_id")),
        sa.UniqueConstraint("unit", "violation", "occasion", name=op.f("uq_violations_unit_violation_occasion")),
    )
    op.create_index("ix_violations_unit_at", "violations", ["unit", "at"])
    op.create_table(
        "ticket_links",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("to_ticket_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_links")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_ticket_links_ticket_id")),
        sa.ForeignKeyConstraint(["to_ticket_id"], ["tickets.id"], name=op.f("fk_ticket_links_to_ticket_id")),
        sa.UniqueConstraint(
            "ticket_id", "to_ticket_id", "kind", name=op.f("uq_ticket_links_ticket_id_to_ticket_id_kind")
        ),
    )
    op.create_index("ix_ticket_links_to_ticket_id", "ticket_links", ["to_ticket_id"])
