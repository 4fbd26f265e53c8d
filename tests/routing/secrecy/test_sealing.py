"""What citizens said is in no file of the database, opens only where it belongs, and survives a change of keys."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest
import yaml
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from routing.centre import Centre
from routing.dispatching.tables import FinalOpinion
from routing.history import line
from routing.life.tables import Callback, Clock, Submission, Task, ViolationRecord
from routing.secrecy import resealing
from routing.secrecy.keys import KeyMissing, Keys, SealBroken, SealError, draw
from routing.secrecy.opening import open_database
from routing.secrecy.resealing import drop_key, reseal, sealed_with
from routing.secrecy.sealing import SEALED_COLUMNS, place_of
from routing.secrecy.tables import SecrecyMark
from routing.storage import Base, Call, Database, Ticket, TicketChange, Utterance
from routing.watch.notices import Suspected, propose_violations
from settings import ConfigurationError
from tests.routing.conftest import Empty
from tests.routing.secrecy.conftest import CALLBACK, NAME, NUMBER, WORDS, place

SECRETS = (NUMBER, CALLBACK, NAME, WORDS, "保港村18号", "要求处理")


async def _raw(database: Database) -> str:
    """Everything in all tables, as SQL shows it."""
    async with database.session() as session:
        found = [
            str((await session.execute(text(f'SELECT * FROM "{name}"'))).all()) for name in Base.metadata.tables
        ]  # fmt: skip
    return "\n".join(found)


async def test_nothing_that_was_said_can_be_read_in_the_database(centre: Centre, migrated: Empty) -> None:
    ticket_id = await place(centre)
    async with centre.db.begin() as session:
        session.add(
            Callback(ticket_id=ticket_id, number=1, at=centre.now(), by="x", outcome="reached", note=f"{NAME}说解决了")
        )
    raw = await _raw(centre.db)
    escaped = [secret.encode("unicode_escape").decode() for secret in SECRETS]
    assert [secret for secret in (*SECRETS, *escaped) if secret in raw] == []
    if migrated.file:
        files = b"".join(file.read_bytes() for file in migrated.file.parent.glob("hotline.db*"))
        assert [secret for secret in SECRETS if secret.encode() in files] == []


async def test_copies_of_what_was_said_are_sealed_too(centre: Centre) -> None:
    ticket_id = await place(centre)
    at, said = centre.now(), f"{NAME}家水管爆裂，电话{CALLBACK}"
    async with centre.db.begin() as session:
        task = (await session.scalars(select(Task))).one()
        task.reported = said
        limit = {"started_at": at, "due_at": at, "amount": 1, "amount_unit": "hour", "calendar_version": "x"}
        session.add(
            Clock(
                **limit,
                ticket_id=ticket_id,
                task_id=task.id,
                unit="u",
                kind="complete",
                why=said,
                rule="r",
                article="a",
            )
        )
        session.add(SecrecyMark(ticket_id=ticket_id, at=at, by="x", identity=True, content=False, why=said))
        violation = {"violation": "V3", "occasion": "x", "rule": "r", "at": at, "by": "x"}
        session.add(ViolationRecord(unit="u", facts=said, objection=said, why=said, **violation))
        opinion = {"matter": "m", "place": "p", "file_name": "f", "sha256": "s", "signed_by": "x", "signed_role": "x"}
        session.add(
            FinalOpinion(ticket_id=ticket_id, unit="u", text=said, basis=said, filed_at=at, filed_by="x", **opinion)
        )
        await propose_violations(session, [Suspected("u", "V1", "task:1", said, "r")], at)
    raw = await _raw(centre.db)
    # The notice of a proposal holds the machine's own words, which are serials and numbers of tickets.
    assert raw.replace(f"{said}，可能属于八条规定的 V1", "").count(NAME) == 0
    assert (await sealed_with(centre.db))[""] == 0
    async with centre.db.session() as session:
        assert [one.facts for one in await session.scalars(select(ViolationRecord))] == [said, said]
        assert (await session.scalars(select(Clock.id).where(Clock.why == ""))).all() == []
        assert (await session.scalars(select(Clock))).one().why == said


async def test_objects_hold_the_plain_values_before_and_after(centre: Centre) -> None:
    ticket_id = await place(centre)
    async with centre.db.session() as session:
        ticket = await session.get_one(Ticket, ticket_id)
        call = await session.get_one(Call, "c1")
        said = (await session.scalars(select(Utterance))).one()
        lines = (await session.scalars(select(TicketChange).order_by(TicketChange.id))).all()
        result = (await session.scalars(select(Submission))).one()
    assert (ticket.caller_number, ticket.fields["person"]["value"]) == (NUMBER, NAME)
    assert (call.caller_number, call.caller_name) == (NUMBER, NAME)
    assert (said.text, said.words[0]["text"]) == (WORDS, WORDS)
    assert (lines[1].after, lines[1].why) == (WORDS, f"来电说到“{WORDS}”")
    assert result.form["outcome"].endswith("核实")


async def test_an_update_seals_what_changed_and_leaves_the_object_plain(centre: Centre) -> None:
    ticket_id = await place(centre)
    async with centre.db.begin() as session:
        ticket = await session.get_one(Ticket, ticket_id)
        ticket.fields = ticket.fields | {"demand": {**ticket.fields["demand"], "value": "请马上来"}}
        ticket.version += 1
        await session.flush()
        assert ticket.fields["demand"]["value"] == "请马上来"
        made = line(ticket, centre.now(), "x", "edited", field="demand", before="要求处理", after="请马上来")
        session.add(made)
    assert made.after == "请马上来"
    async with centre.db.session() as session:
        assert (await session.get_one(Ticket, ticket_id)).fields["demand"]["value"] == "请马上来"
        shown = (await session.execute(select(TicketChange.after).where(TicketChange.id == made.id))).scalar_one()
    assert shown.startswith("sealed:k1:")


async def test_states_in_the_history_stay_readable_for_queries(centre: Centre) -> None:
    await place(centre)
    async with centre.db.session() as session:
        query = select(TicketChange.before, TicketChange.after).where(TicketChange.field == "state")
        assert (await session.execute(query)).all() == [("draft", "accepted")]


async def test_an_object_whose_writing_failed_can_be_written_again(centre: Centre) -> None:
    async with centre.db.begin() as session:
        session.add(Call(call_id="c1", caller_number="1", arrived_at=centre.now()))
    call = Call(call_id="c1", caller_number=NUMBER, arrived_at=centre.now())
    with pytest.raises(IntegrityError):
        async with centre.db.begin() as session:
            session.add(call)
    call.call_id = "c2"
    async with centre.db.begin() as session:
        session.add(call)
    async with centre.db.session() as session:
        assert (await session.get_one(Call, "c2")).caller_number == NUMBER


async def test_tickets_of_one_caller_are_known_by_a_key_that_is_not_the_number(centre: Centre, keys: Keys) -> None:
    ids = [await place(centre, 1), await place(centre, 2, caller="+8613800000001"), await place(centre, 3, caller="1")]
    async with centre.db.session() as session:
        known = [(await session.get_one(Ticket, one)).caller_key for one in ids]
        calls = list(await session.scalars(select(Call.caller_key).order_by(Call.call_id)))
    assert known[0] == known[1] == keys.caller_key("008613800000001") != known[2]
    assert known == calls
    assert NUMBER not in known[0] and keys.caller_key("") == ""


async def test_a_sealed_text_opens_only_in_its_own_row_and_column(centre: Centre) -> None:
    first, second = await place(centre, 1), await place(centre, 2)
    async with centre.db.begin() as session:
        shown = (await session.execute(select(Ticket.caller_number).where(Ticket.id == first))).scalar_one()
        await session.execute(update(Ticket).where(Ticket.id == second).values(caller_number=shown))
    async with centre.db.session() as session:
        assert (await session.get_one(Ticket, first)).caller_number == NUMBER
        with pytest.raises(SealBroken, match=r"tickets\.caller_number"):
            await session.get_one(Ticket, second)


@pytest.mark.parametrize("position", [0, 12, -1], ids=["nonce", "text", "tag"])
def test_a_changed_byte_is_noticed(keys: Keys, position: int) -> None:
    sealed = keys.seal(WORDS, "here")
    head, _, closed = sealed.rpartition(":")
    raw = bytearray(base64.b64decode(closed))
    raw[position] ^= 1
    with pytest.raises(SealBroken):
        keys.open(f"{head}:{base64.b64encode(bytes(raw)).decode()}", "here")
    with pytest.raises(SealBroken):
        keys.open(f"{head}:%%", "here")
    with pytest.raises(SealBroken):
        keys.open(sealed, "there")
    assert keys.open(sealed, "here") == WORDS


def test_the_same_text_is_never_sealed_the_same_way_twice(keys: Keys) -> None:
    assert keys.seal(WORDS, "here") != keys.seal(WORDS, "here")


async def test_without_keys_nothing_sealed_is_read_and_nothing_is_lost(centre: Centre) -> None:
    ticket_id = await place(centre)
    blind = Database(centre.db.url)
    with pytest.raises(KeyMissing, match="opened without keys"):
        async with blind.session() as session:
            await session.get(Ticket, ticket_id)
    await blind.close()
    async with centre.db.session() as session:
        assert (await session.get_one(Ticket, ticket_id)).caller_number == NUMBER


async def test_a_wrong_or_missing_key_file_does_not_start(migrated: Empty, tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "seal-keys.yaml"
    database = await open_database(migrated.url, file)
    await database.close()
    assert file.stat().st_mode & 0o777 == 0o600
    await (await open_database(migrated.url, file)).close()

    kept = file.rename(tmp_path / "kept.yaml")
    with pytest.raises(ConfigurationError, match=r"this file is missing.*Nothing was changed"):
        await open_database(migrated.url, file)
    assert not file.exists()
    draw(file)
    with pytest.raises(ConfigurationError, match="'caller' is not the one that this database was sealed with"):
        await open_database(migrated.url, file)
    file.unlink()
    file.write_bytes(kept.read_bytes())
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="mode 0600"):
        await open_database(migrated.url, file)
    file.chmod(0o600)
    await (await open_database(migrated.url, file)).close()


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        ("current: k1", "as the hotline wrote them"),
        ("{current: k1, keys: {k1: {key: QUJD}}, caller_key: QUJD}", "not 32 bytes"),
        ("{current: k9, keys: {k1: {key: KEY}}, caller_key: KEY}", "'k9' is not one of the keys"),
        ("{current: boss, keys: {boss: {key: KEY}}, caller_key: KEY}", "no id of a key"),
        ("{current: [", "cannot be read as a key file"),
    ],
    ids=["no keys", "short key", "unknown current", "odd id", "not yaml"],
)
def test_a_spoilt_key_file_is_refused_without_quoting_it(tmp_path: Path, spoilt: str, said: str) -> None:
    file = tmp_path / "seal-keys.yaml"
    key = base64.b64encode(bytes(32)).decode()
    file.write_text(spoilt.replace("KEY", key))
    file.chmod(0o600)
    with pytest.raises(ConfigurationError, match=said) as refused:
        Keys(file)
    assert key not in str(refused.value)


async def test_after_a_rotation_everything_is_sealed_anew_and_the_old_key_can_go(
    migrated: Empty, tmp_path: Path, centre: Centre
) -> None:
    # A key file of its own: other tests go on with theirs.
    database = await open_database(migrated.url, tmp_path / "seal-keys.yaml")
    mine = Centre(db=database, jurisdiction=centre.jurisdiction, calendar=centre.calendar, now=centre.now)
    ids = [await place(mine, number) for number in range(1, 8)]
    assert database.keys is not None
    before = await sealed_with(database)
    assert before["k1"] > 50 and before[""] == 0
    assert database.keys.add() == "k2"
    database.keys.use("k2")
    late = await place(mine, 8)
    assert (await sealed_with(database))["k2"] > 0

    told: list[tuple[str, int]] = []
    done = await reseal(database, batch=3, told=lambda table, rows: told.append((table, rows)))
    assert max(rows for _, rows in told) == 3 and sum(done.rows.values()) == sum(rows for _, rows in told)
    after = await sealed_with(database)
    assert (after["k1"], after[""]) == (0, 0) and after["k2"] >= before["k1"]
    assert sum((await reseal(database)).rows.values()) == 0
    async with database.session() as session:
        for one in (*ids, late):
            ticket = await session.get_one(Ticket, one)
            assert (ticket.caller_number, ticket.version) == (NUMBER, 1)
    with pytest.raises(ConfigurationError, match="wait until every server has noticed"):
        await drop_key(database, "k1")
    with pytest.raises(ConfigurationError, match="still sealed with 'k2'"):
        await drop_key(database, "k2")
    await database.close()


async def test_a_resealing_that_was_broken_off_goes_on_where_it_stopped(
    migrated: Empty, tmp_path: Path, centre: Centre
) -> None:
    database = await open_database(migrated.url, tmp_path / "seal-keys.yaml")
    mine = Centre(db=database, jurisdiction=centre.jurisdiction, calendar=centre.calendar, now=centre.now)
    for number in range(1, 6):
        await place(mine, number)
    assert database.keys is not None
    database.keys.use(database.keys.add())

    class PowerCut(Exception):
        pass

    batches = 0

    def cut(table: str, rows: int) -> None:
        nonlocal batches
        batches += 1
        if batches == 3:
            raise PowerCut

    with pytest.raises(PowerCut):
        await reseal(database, batch=2, told=cut)
    left = (await sealed_with(database))["k1"]
    assert left > 0
    await reseal(database, batch=2)
    assert (await sealed_with(database))["k1"] == 0
    await database.close()
    file = tmp_path / "seal-keys.yaml"
    _superseded_long_ago(file)
    database = Database(migrated.url, keys=Keys(file))
    await drop_key(database, "k1")
    assert Keys(file).ids == ("k2",)
    async with database.session() as session:
        assert len(list(await session.scalars(select(Ticket)))) == 5
    await database.close()
    await (await open_database(migrated.url, tmp_path / "seal-keys.yaml")).close()


def _superseded_long_ago(file: Path) -> None:
    content = yaml.safe_load(file.read_text())
    content["keys"]["k1"]["superseded"] = "2026-01-01T00:00:00+00:00"
    file.write_text(yaml.safe_dump(content))


async def test_what_was_written_before_there_were_keys_is_sealed_by_the_same_run(centre: Centre) -> None:
    plain = Database(centre.db.url)
    early = Centre(db=plain, jurisdiction=centre.jurisdiction, calendar=centre.calendar, now=centre.now)
    ticket_id = await place(early)
    await plain.close()
    assert WORDS in await _raw(centre.db)
    assert (await sealed_with(centre.db))[""] > 10
    async with centre.db.session() as session:
        assert (await session.get_one(Ticket, ticket_id)).caller_number == NUMBER
    await reseal(centre.db)
    assert WORDS not in await _raw(centre.db)
    async with centre.db.session() as session:
        ticket = await session.get_one(Ticket, ticket_id)
        call = await session.get_one(Call, "c1")
    assert ticket.caller_number == NUMBER and ticket.caller_key and ticket.caller_key == call.caller_key


async def test_a_running_server_notices_new_keys_by_itself(tmp_path: Path) -> None:
    server = draw(tmp_path / "seal-keys.yaml")
    operator = Keys(tmp_path / "seal-keys.yaml")
    operator.use(operator.add())
    assert server.open(operator.seal(WORDS, "here"), "here") == WORDS
    for _ in range(100):
        if server.current == "k2":
            break
        await asyncio.sleep(0.1)
    assert server.current == "k2"


async def test_history_can_be_resealed_and_nothing_else_of_it_can_change(centre: Centre) -> None:
    await place(centre)
    at = centre.now()
    for values in ({"actor": "x"}, {"version": 7}, {"field": "place"}, {"rule": "YZ-1"}):
        with pytest.raises(DBAPIError, match="append-only"):
            async with centre.db.begin() as session:
                await session.execute(insert(resealing.Resealing).values(id=1, at=at))
                await session.execute(update(TicketChange).values(values))
    with pytest.raises(DBAPIError, match="append-only"):
        async with centre.db.begin() as session:
            await session.execute(update(TicketChange).values(why="x"))


def test_every_sealed_column_is_one_of_the_schema_and_its_row_is_named_by_columns_that_stay() -> None:
    for name, sealed in SEALED_COLUMNS.items():
        table = Base.metadata.tables[name]
        assert set(sealed.columns) | set(sealed.row) <= set(table.c.keys()), name
        assert not any(table.c[part].nullable for part in sealed.row), name
    assert place_of("a", "b", ("c", 1)) == "a.b|c|1"
    assert issubclass(KeyMissing, SealError)
