"""Confidentiality, the knowledge base, units' contacts and the duty roster."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_time = sa.DateTime(timezone=True)

_LINE_STAYS = ("id", "ticket_id", "version", "at", "actor", "action", "field", "rule")
"""What of a line of history not even re-sealing may touch."""


def upgrade() -> None:
    _sealing()
    _let_history_be_resealed()
    _secrecy()
    _knowledge()
    _people()


def _sealing() -> None:
    op.add_column("calls", sa.Column("caller_key", sa.Text(), nullable=False, server_default=""))
    op.create_index(op.f("ix_calls_caller_key_arrived_at"), "calls", ["caller_key", "arrived_at"])
    op.create_table(
        "seal_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("noted_at", _time, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seal_keys")),
    )
    op.create_table(
        "resealing",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resealing")),
    )


def _let_history_be_resealed() -> None:
    """A transaction that has put its row into `resealing` may write the sealed texts of history anew, nothing else.

    The row is taken out before the transaction ends, so no other transaction ever sees it.
    """
    if op.get_bind().dialect.name == "postgresql":
        same = " AND ".join(f"OLD.{name} IS NOT DISTINCT FROM NEW.{name}" for name in _LINE_STAYS)
        op.execute("DROP TRIGGER append_only_ticket_changes ON ticket_changes")
        op.execute(
            "CREATE TRIGGER append_only_ticket_changes BEFORE DELETE OR TRUNCATE ON ticket_changes "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_ticket_changes()"
        )
        op.execute(
            "CREATE FUNCTION refuse_unless_resealing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "  # noqa: S608
            f"IF EXISTS (SELECT 1 FROM resealing) AND {same} THEN RETURN NEW; END IF; "
            "RAISE EXCEPTION 'ticket_changes is append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER append_only_ticket_changes_update BEFORE UPDATE ON ticket_changes "
            "FOR EACH ROW EXECUTE FUNCTION refuse_unless_resealing()"
        )
        return
    same = " AND ".join(f"OLD.{name} IS NEW.{name}" for name in _LINE_STAYS)
    op.execute("DROP TRIGGER append_only_ticket_changes_update")
    op.execute(
        "CREATE TRIGGER append_only_ticket_changes_update BEFORE UPDATE ON ticket_changes "  # noqa: S608
        f"WHEN NOT (EXISTS (SELECT 1 FROM resealing) AND {same}) "
        "BEGIN SELECT RAISE(ABORT, 'ticket_changes is append-only'); END"
    )


def _secrecy() -> None:
    op.create_table(
        "secrecy_marks",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("identity", sa.Boolean(), nullable=False),
        sa.Column("content", sa.Boolean(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("tracker", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_secrecy_marks")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_secrecy_marks_ticket_id")),
    )
    op.create_index(op.f("ix_secrecy_marks_ticket_id"), "secrecy_marks", ["ticket_id"])
    op.create_table(
        "access_log",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("at", _time, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_log")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_access_log_ticket_id")),
    )
    op.create_index(op.f("ix_access_log_ticket_id"), "access_log", ["ticket_id"])
    op.create_index(op.f("ix_access_log_at"), "access_log", ["at"])
    _make_append_only("access_log")
    op.create_table(
        "releases",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("asked_at", _time, nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("decided_at", _time, nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("expires_at", _time, nullable=True),
        sa.Column("used_at", _time, nullable=True),
        sa.Column("used_by", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_releases")),
    )
    op.create_index(op.f("ix_releases_decision"), "releases", ["decision"])


def _knowledge() -> None:
    op.create_table(
        "knowledge_items",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("owner_unit", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("latest", sa.Integer(), nullable=False),
        sa.Column("published", sa.Integer(), nullable=True),
        sa.Column("review_by", sa.Date(), nullable=True),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("last_used_at", _time, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_knowledge_items")),
    )
    op.create_index(op.f("ix_knowledge_items_owner_unit_state"), "knowledge_items", ["owner_unit", "state"])
    op.create_index(op.f("ix_knowledge_items_review_by"), "knowledge_items", ["review_by"])
    op.create_table(
        "knowledge_versions",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("item_id", _row_id, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("keywords", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("matter", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("review_by", sa.Date(), nullable=False),
        sa.Column("written_at", _time, nullable=False),
        sa.Column("written_by", sa.Text(), nullable=False),
        sa.Column("decided_at", _time, nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_knowledge_versions")),
        sa.ForeignKeyConstraint(["item_id"], ["knowledge_items.id"], name=op.f("fk_knowledge_versions_item_id")),
        sa.UniqueConstraint("item_id", "number", name=op.f("uq_knowledge_versions_item_id_number")),
    )
    op.create_table(
        "knowledge_uses",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("item_id", _row_id, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=True),
        sa.Column("at", _time, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_knowledge_uses")),
        sa.ForeignKeyConstraint(["item_id"], ["knowledge_items.id"], name=op.f("fk_knowledge_uses_item_id")),
        sa.ForeignKeyConstraint(["ticket_id"], ["tickets.id"], name=op.f("fk_knowledge_uses_ticket_id")),
        sa.UniqueConstraint("item_id", "ticket_id", name=op.f("uq_knowledge_uses_item_id_ticket_id")),
    )
    op.create_index(op.f("ix_knowledge_uses_ticket_id"), "knowledge_uses", ["ticket_id"])
    # What is searched, beside the models: each database has its own kind of full-text index.
    if op.get_bind().dialect.name == "postgresql":
        op.create_table(
            "knowledge_search",
            sa.Column("item_id", sa.BigInteger(), nullable=False),
            sa.Column("heads", TSVECTOR(), nullable=False),
            sa.Column("words", TSVECTOR(), nullable=False),
            sa.PrimaryKeyConstraint("item_id", name=op.f("pk_knowledge_search")),
        )
        for column in ("heads", "words"):
            op.create_index(op.f(f"ix_knowledge_search_{column}"), "knowledge_search", [column], postgresql_using="gin")
        return
    op.execute(
        "CREATE VIRTUAL TABLE knowledge_search USING fts5 "
        '(title, keywords, body, sounds, tokenize = "unicode61 remove_diacritics 0")'
    )


def _people() -> None:
    op.create_table(
        "unit_contacts",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("telephone", sa.Text(), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit_contacts")),
        sa.UniqueConstraint(
            "unit", "position", "name", "since", name=op.f("uq_unit_contacts_unit_position_name_since")
        ),
    )
    op.create_table(
        "contact_changes",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("changed_on", sa.Date(), nullable=False),
        sa.Column("noted_at", _time, nullable=False),
        sa.Column("noted_by", sa.Text(), nullable=False),
        sa.Column("reported_at", _time, nullable=True),
        sa.Column("reported_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_changes")),
    )
    op.create_index(op.f("ix_contact_changes_unit"), "contact_changes", ["unit"])
    op.create_index(op.f("ix_contact_changes_reported_at"), "contact_changes", ["reported_at"])
    op.create_table(
        "duty_days",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("chief", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("telephone", sa.Text(), nullable=False),
        sa.Column("planned_by", sa.Text(), nullable=False),
        sa.Column("published_at", _time, nullable=True),
        sa.Column("published_by", sa.Text(), nullable=False),
        sa.Column("arrived_at", _time, nullable=True),
        sa.Column("left_at", _time, nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_days")),
        sa.UniqueConstraint("day", "unit", name=op.f("uq_duty_days_day_unit")),
    )


def _make_append_only(table: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE FUNCTION refuse_{table}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{table} is append-only'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER append_only_{table} BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION refuse_{table}()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER append_only_{table}_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
