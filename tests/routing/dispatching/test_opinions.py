"""Final opinions: filed with a stamped file, reviewed, and what later calls then become (QH-5b, TP-12(5), TP-23)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from routing.dispatching import opinions
from routing.dispatching.opinions import Given
from routing.dispatching.stamped_file import MAX_BYTES, is_unchanged
from routing.dispatching.tables import FinalOpinion
from routing.life import dispatch
from routing.life.errors import BadValue, IllegalTransition, LawError, Missing, NotAllowed, Silent
from routing.life.tables import TicketLink
from routing.storage import Ticket
from routing.tickets import Actor
from tests.routing.dispatching.conftest import of_caller
from tests.routing.life.conftest import AGENT, CLERK, MANAGER, OFFICE, OTHER_CLERK, Office
from tests.routing.life.mixed_law import yazhou_with
from tests.routing.life.reading import history_of

LAMP = {"matter": "street_lamp", "event": "路灯坏了三天", "place": "盐灶村口"}
PDF = b"%PDF-1.7 stamped"


@pytest.fixture
def qionghai(open_office: Callable[..., Office]) -> Office:
    return open_office(yazhou_with("qionghai", "final_opinion"))


@pytest.fixture
def turpan(open_office: Callable[..., Office]) -> Office:
    return open_office(yazhou_with("turpan", "final_opinion", "principles"))


@pytest.fixture
def said(tmp_path: Path) -> Given:
    file = tmp_path / "opinion.pdf"
    file.write_bytes(PDF)
    return Given(
        "该路段未列入照明规划",
        "《城市照明管理规定》第八条",
        ["客观条件限制暂时无法处理的诉求"],
        "郑局长",
        "unit_head",
        file,
    )


async def filed(office: Office, said: Given, caller: str = "a", actor: Actor = CLERK) -> tuple[Ticket, FinalOpinion]:
    ticket = await of_caller(office, await office.reviewed(**LAMP), caller)
    opinion = await opinions.file_opinion(
        office.centre, ticket.id, ticket.version, actor, said, folder=said.file.parent / "kept"
    )
    return await office.ticket(ticket.id), opinion


async def accepted(office: Office, said: Given, *, for_everyone: bool = False) -> tuple[Ticket, FinalOpinion]:
    ticket, opinion = await filed(office, said)
    opinion = await opinions.review_opinion(
        office.centre, opinion.id, ticket.version, OFFICE, accept=True, for_everyone=for_everyone
    )
    return await office.ticket(ticket.id), opinion


async def test_an_opinion_is_kept_with_its_file_and_reviewed(qionghai: Office, said: Given) -> None:
    ticket, opinion = await filed(qionghai, said)
    assert (opinion.state, opinion.matter, opinion.place, opinion.unit) == (
        "filed",
        "street_lamp",
        "盐灶村",
        CLERK.unit,
    )
    folder = said.file.parent / "kept"
    assert (folder / opinion.file_name).read_bytes() == PDF
    assert is_unchanged(folder, opinion.file_name, opinion.sha256)
    (folder / opinion.file_name).write_bytes(PDF + b"!")
    assert not is_unchanged(folder, opinion.file_name, opinion.sha256)
    later = await of_caller(qionghai, await qionghai.draft(**LAMP), "a")
    assert await opinions.applying(qionghai.centre, later.id) == []
    for actor in (CLERK, AGENT, MANAGER):
        with pytest.raises(NotAllowed):
            await opinions.review_opinion(qionghai.centre, opinion.id, ticket.version, actor, accept=True)
    with pytest.raises(Missing):
        await opinions.review_opinion(qionghai.centre, opinion.id, ticket.version, OFFICE, accept=False)
    with pytest.raises(IllegalTransition, match="已变动"):
        await opinions.review_opinion(qionghai.centre, opinion.id, ticket.version, OFFICE, accept=True, folder=folder)
    (folder / opinion.file_name).write_bytes(PDF)
    await opinions.review_opinion(qionghai.centre, opinion.id, ticket.version, OFFICE, accept=True, folder=folder)
    (found,) = await opinions.applying(qionghai.centre, later.id)
    assert (found.opinion.id, found.effect) == (opinion.id, "no_new_ticket")
    ticket = await qionghai.ticket(ticket.id)
    with pytest.raises(IllegalTransition, match="已经审核过"):
        await opinions.review_opinion(qionghai.centre, opinion.id, ticket.version, OFFICE, accept=True)


async def test_a_later_call_is_taken_down_and_linked_and_no_new_ticket(qionghai: Office, said: Given) -> None:
    concluded, opinion = await accepted(qionghai, said)
    later = await of_caller(qionghai, await qionghai.draft(**(LAMP | {"place": "严造村口"})), "a")

    async def close(**more: bool) -> Ticket:
        given = {"no_new_facts": True, "told": True} | more
        return await opinions.close_under(qionghai.centre, later.id, later.version, opinion.id, AGENT, **given)

    for missing in ("no_new_facts", "told"):
        with pytest.raises(BadValue) as refused:
            await close(**{missing: False})
        assert refused.value.field == missing
    closed = await close()
    assert (closed.state, closed.caller_key) == ("merged", "a")
    async with qionghai.centre.db.session() as session:
        (link,) = await session.scalars(select(TicketLink))
    assert (link.ticket_id, link.to_ticket_id, link.kind) == (later.id, concluded.id, "final")
    for ticket in (later, concluded):
        rules = [line.rule for line in await history_of(qionghai.centre.db, ticket.id)]
        assert "QH-5b" in rules
    with pytest.raises(Silent):
        await opinions.explain_under(qionghai.centre, later.id, closed.version, opinion.id, AGENT)


async def test_another_callers_matter_is_a_new_one_unless_the_centre_says_it_is_for_everyone(
    qionghai: Office, said: Given
) -> None:
    ticket, opinion = await accepted(qionghai, said)
    other = await of_caller(qionghai, await qionghai.draft(**LAMP), "b")
    unknown = await qionghai.draft(**LAMP)
    for later in (other, unknown):
        assert await opinions.applying(qionghai.centre, later.id) == []
        with pytest.raises(IllegalTransition, match="请按新的诉求受理"):
            await opinions.close_under(
                qionghai.centre, later.id, later.version, opinion.id, AGENT, no_new_facts=True, told=True
            )
    elsewhere = await of_caller(qionghai, await qionghai.draft(**(LAMP | {"place": "保港"})), "a")
    assert await opinions.applying(qionghai.centre, elsewhere.id) == []
    ticket = await qionghai.ticket(ticket.id)
    await opinions.withdraw_opinion(qionghai.centre, opinion.id, ticket.version, OFFICE, why="已列入规划")
    same = await of_caller(qionghai, await qionghai.draft(**LAMP), "a")
    assert await opinions.applying(qionghai.centre, same.id) == []
    _, everyone = await accepted(qionghai, said, for_everyone=True)
    for later in (other, unknown):
        assert [one.opinion.id for one in await opinions.applying(qionghai.centre, later.id)] == [everyone.id]


async def test_in_turpan_the_unit_explains_it_again(turpan: Office, said: Given) -> None:
    said = replace(said, grounds=["诉求人期望过高"])
    _, opinion = await accepted(turpan, said)
    later = await of_caller(turpan, await turpan.accepted(**LAMP), "a")
    with pytest.raises(Silent):
        await opinions.close_under(
            turpan.centre, later.id, later.version, opinion.id, AGENT, no_new_facts=True, told=True
        )
    marked = await opinions.explain_under(turpan.centre, later.id, later.version, opinion.id, AGENT)
    assert marked.state == "accepted"
    lines = [line for line in await history_of(turpan.centre.db, later.id) if line.action == "link"]
    assert [(line.field, line.rule) for line in lines] == [("final", "TP-12(5)")]
    sent = await dispatch.dispatch(turpan.centre, later.id, marked.version, AGENT, lead=opinion.unit)
    assert sent.state == "dispatched"


@pytest.mark.parametrize(
    ("change", "error", "field"),
    [
        ({"text": ""}, Missing, "text"),
        ({"basis": " "}, Missing, "basis"),
        ({"signed_by": ""}, Missing, "signed_by"),
        ({"text": "意" * 1_000_000}, BadValue, "text"),
        ({"basis": "a\x00b"}, BadValue, "basis"),
        ({"grounds": []}, Missing, "grounds"),
        ({"grounds": ["不想办"]}, BadValue, "grounds"),
        ({"file": Path("no such file.pdf")}, Missing, "file"),
    ],
    ids=["text", "basis", "signer", "long", "control", "no ground", "ground", "file"],
)
async def test_an_incomplete_opinion_is_refused(
    qionghai: Office, said: Given, change: dict[str, object], error: type[LawError], field: str
) -> None:
    with pytest.raises(error) as refused:
        await filed(qionghai, replace(said, **change))  # type: ignore[arg-type]
    assert (refused.value.field, refused.value.rule) == (field, "QH-5b")
    async with qionghai.centre.db.session() as session:
        assert (await session.scalars(select(FinalOpinion))).all() == []


async def test_a_file_that_is_none_or_too_large_is_refused(qionghai: Office, said: Given) -> None:
    said.file.write_bytes(b"MZ not a document")
    with pytest.raises(BadValue, match="PDF、PNG 或 JPG"):
        await filed(qionghai, said)
    with said.file.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(BadValue, match="最多 20 MB"):
        await filed(qionghai, said)


async def test_only_the_lead_unit_that_handled_it_gives_one(qionghai: Office, said: Given) -> None:
    for actor in (OTHER_CLERK, OFFICE):
        with pytest.raises(NotAllowed):
            await filed(qionghai, said, actor=actor)
    ticket = await qionghai.in_hand(**LAMP)
    with pytest.raises(IllegalTransition, match="办理过的才能"):
        await opinions.file_opinion(
            qionghai.centre, ticket.id, ticket.version, CLERK, said, folder=said.file.parent / "kept"
        )


async def test_in_turpan_a_leader_or_the_head_signs(turpan: Office, said: Given) -> None:
    with pytest.raises(BadValue) as refused:
        await filed(turpan, replace(said, grounds=["诉求人期望过高"], signed_role="unit_clerk"))
    assert (refused.value.field, refused.value.rule) == ("signed_role", "TP-23")


async def test_yazhou_knows_no_final_opinion(office: Office, said: Given) -> None:
    with pytest.raises(Silent):
        await filed(office, said)
    later = await office.draft(**LAMP)
    assert await opinions.applying(office.centre, later.id) == []
