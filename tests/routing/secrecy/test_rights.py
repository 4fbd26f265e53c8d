"""Who sees what: by role, unit and flag; every reading of what is masked is written down; nothing leaves unapproved."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DBAPIError

from routing.centre import Centre
from routing.life.errors import BadValue, Missing, NotAllowed, Silent
from routing.life.tables import Task
from routing.reading.persons import Wish
from routing.secrecy import reading, releases
from routing.secrecy.errors import NotApproved, RevealRefused
from routing.secrecy.marking import marks, set_secrecy
from routing.secrecy.reading import reveal
from routing.secrecy.rights import KIND_OF, SIGHTS, sight
from routing.secrecy.tables import AccessEntry
from routing.secrecy.view import CONFIDENTIAL, in_list, masked_number, standings, view, without_identity
from routing.secrecy.wishes import heed, unheeded
from routing.storage import Ticket
from routing.tickets import Actor, NoSuchTicket, TicketChanged
from tests.routing.secrecy.conftest import (
    ADMIN,
    AUDITOR,
    CALLBACK,
    CLERK,
    DISCIPLINE,
    LEADER,
    LI,
    MANAGER,
    NAME,
    NOW,
    NUMBER,
    OFFICE,
    OTHER_CLERK,
    WANG,
    WORDS,
    Clockwork,
    place,
)


async def _flag(centre: Centre, ticket_id: str, **flags: object) -> None:
    async with centre.db.begin() as session:
        ticket = await session.get_one(Ticket, ticket_id)
        for name, value in flags.items():
            setattr(ticket, name, value)
        ticket.version += 1


SEEN = [
    # actor, flags, how caller_number, person, event are seen, by YZ-26 and TP-37
    ("taker", WANG, {}, ("shown", "shown", "shown")),
    ("taker of a secret", WANG, {"identity_secret": True, "content_secret": True}, ("shown", "shown", "shown")),
    ("colleague", LI, {}, ("shown", "shown", "shown")),
    ("colleague, identity", LI, {"identity_secret": True}, ("on_request", "on_request", "shown")),
    ("manager, content", MANAGER, {"content_secret": True}, ("shown", "shown", "on_request")),
    ("unit", CLERK, {}, ("shown", "shown", "shown")),
    ("unit, identity", CLERK, {"identity_secret": True}, ("hidden", "hidden", "shown")),
    ("unit, content", CLERK, {"content_secret": True}, ("shown", "shown", "on_request")),
    ("unit, both", CLERK, {"identity_secret": True, "content_secret": True}, ("hidden", "hidden", "on_request")),
    ("leadership", LEADER, {}, ("hidden", "on_request", "shown")),
    ("leadership, identity", LEADER, {"identity_secret": True}, ("hidden", "hidden", "shown")),
    ("auditor", AUDITOR, {}, ("on_request", "on_request", "shown")),
    ("auditor, identity", AUDITOR, {"identity_secret": True}, ("hidden", "hidden", "shown")),
]


@pytest.mark.parametrize(("actor", "flags", "seen"), [row[1:] for row in SEEN], ids=[row[0] for row in SEEN])
async def test_who_sees_what(
    centre: Centre, ticket_id: str, actor: Actor, flags: dict[str, bool], seen: tuple[str, str, str]
) -> None:
    await _flag(centre, ticket_id, **flags)
    found = await view(centre, ticket_id, actor)
    assert (found.caller_number.sight, found.fields["person"].sight, found.fields["event"].sight) == seen
    everything = json.dumps([found.__dict__], default=str, ensure_ascii=False)
    if seen[0] != "shown":
        assert NUMBER not in everything and CALLBACK not in everything
    if seen[1] != "shown":
        assert NAME not in everything
    if seen[2] != "shown":
        assert WORDS not in everything and found.fields["event"].text == CONFIDENTIAL


@pytest.mark.parametrize("actor", [OTHER_CLERK, ADMIN, DISCIPLINE], ids=["another unit", "telecom admin", "discipline"])
async def test_for_people_who_have_nothing_to_do_with_it_a_ticket_does_not_exist(
    centre: Centre, ticket_id: str, actor: Actor
) -> None:
    with pytest.raises(NoSuchTicket):
        await view(centre, ticket_id, actor)
    with pytest.raises(NoSuchTicket):
        await reveal(centre, ticket_id, "event", actor, "想看看")


async def test_a_unit_that_gave_the_ticket_back_sees_it_no_more(centre: Centre, ticket_id: str) -> None:
    await view(centre, ticket_id, CLERK)
    async with centre.db.begin() as session:
        await session.execute(update(Task).values(state="returned"))
    with pytest.raises(NoSuchTicket):
        await view(centre, ticket_id, CLERK)


@pytest.mark.parametrize("actor", [LI, MANAGER, OFFICE, CLERK, LEADER, AUDITOR, ADMIN], ids=lambda one: one.role)
async def test_a_discipline_matter_exists_for_its_unit_and_its_taker_only(
    centre: Centre, ticket_id: str, actor: Actor
) -> None:
    await _flag(centre, ticket_id, restricted_to="yz.jiwei")
    with pytest.raises(NoSuchTicket):
        await view(centre, ticket_id, actor)
    for role in ("telecom_admin", "auditor", "agent", "district_leadership"):
        with pytest.raises(NoSuchTicket):
            await view(centre, ticket_id, Actor("冒名", role, "yz.jiwei"))
    for allowed in (WANG, DISCIPLINE, OTHER_CLERK):
        assert (await view(centre, ticket_id, allowed)).caller_number.text == NUMBER
    async with centre.db.session() as session:
        ticket = await session.get_one(Ticket, ticket_id)
        ((_, standing),) = await standings(session, [ticket], actor)
    assert standing == "none"
    assert {in_list(ticket, standing, field) for field in ("caller_number", "event", "person")} == {CONFIDENTIAL}


async def test_lists_show_no_names_no_whole_numbers_and_nothing_secret(centre: Centre, ticket_id: str) -> None:
    async with centre.db.session() as session:
        ticket = await session.get_one(Ticket, ticket_id)
        ((_, standing),) = await standings(session, [ticket], WANG)
    assert standing == "taker"
    assert in_list(ticket, standing, "caller_number") == "138****0001"
    assert in_list(ticket, standing, "person") == CONFIDENTIAL
    assert in_list(ticket, standing, "event") == f"{WORDS}，▇▇电话▇▇"
    ticket.identity_secret, ticket.content_secret = True, True
    assert in_list(ticket, standing, "caller_number") == CONFIDENTIAL
    assert in_list(ticket, standing, "event") == CONFIDENTIAL


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("13800000001", "138****0001"),
        ("089888840001", "089*****0001"),
        ("88840001", "88****01"),
        ("12345", "*****"),
        ("", ""),
    ],
)
def test_masked_numbers(number: str, masked: str) -> None:
    assert masked_number(number) == masked


async def test_what_tells_who_called_is_blotted_out_of_texts(centre: Centre, ticket_id: str) -> None:
    async with centre.db.session() as session:
        ticket = await session.get_one(Ticket, ticket_id)
    text = (
        f"我是{NAME}，打我{CALLBACK}或者一三九七六五四三二一零，身份证460200198001011234，工单YZ20261120000001，18号楼"
    )
    blotted = without_identity(text, ticket)
    assert blotted == "我是▇▇，打我▇▇或者▇▇，身份证▇▇，工单YZ20261120000001，18号楼"


async def test_what_is_masked_is_read_with_a_reason_and_written_down(centre: Centre, ticket_id: str) -> None:
    await _flag(centre, ticket_id, identity_secret=True)
    assert (await view(centre, ticket_id, MANAGER)).caller_number.text == CONFIDENTIAL
    assert await reveal(centre, ticket_id, "caller_number", MANAGER, " 回访 ") == NUMBER
    assert WORDS in await reveal(centre, ticket_id, "transcript", MANAGER, "核对录音")
    with pytest.raises(RevealRefused) as refused:
        await reveal(centre, ticket_id, "caller_number", CLERK, "联系诉求人")
    assert (refused.value.code, refused.value.rule) == ("reveal_refused", "YZ-26")
    found = await reading.readings(centre, ticket_id=ticket_id)
    assert [(one.actor, one.unit, one.field, one.reason, one.outcome, one.at) for one in found] == [
        (MANAGER.name, "", "caller_number", "回访", "shown", NOW),
        (MANAGER.name, "", "transcript", "核对录音", "shown", NOW),
        (CLERK.name, "yz.zhujian", "caller_number", "联系诉求人", "refused", NOW),
    ]
    assert await reading.most_read(centre, NOW) == [(MANAGER.name, "", 2, 0), (CLERK.name, "yz.zhujian", 0, 1)]


async def test_the_access_log_names_nobody(centre: Centre, ticket_id: str) -> None:
    await _flag(centre, ticket_id, identity_secret=True)
    await reveal(centre, ticket_id, "caller_number", OFFICE, f"{NAME}要求回电{CALLBACK}")
    [entry] = await reading.readings(centre, ticket_id=ticket_id)
    assert entry.reason == "▇▇要求回电▇▇"


async def test_reading_what_one_sees_anyway_is_not_written_down(centre: Centre, ticket_id: str) -> None:
    assert NAME in await reveal(centre, ticket_id, "result", CLERK, "核对")
    assert await reading.readings(centre) == []


@pytest.mark.parametrize(
    ("field", "reason", "problem"),
    [
        ("event", "  ", Missing),
        ("serial", "看看", BadValue),
        ("event", "看\x00看", BadValue),
        ("event", "看" * 501, BadValue),
    ],
    ids=["no reason", "no such field", "control character", "too long"],
)
async def test_a_reading_without_a_good_reason_is_refused(
    centre: Centre, ticket_id: str, field: str, reason: str, problem: type[Exception]
) -> None:
    await _flag(centre, ticket_id, content_secret=True)
    with pytest.raises(problem):
        await reveal(centre, ticket_id, field, MANAGER, reason)
    assert await reading.readings(centre) == []


async def test_the_access_log_can_only_be_added_to(centre: Centre, ticket_id: str) -> None:
    await _flag(centre, ticket_id, content_secret=True)
    await reveal(centre, ticket_id, "event", MANAGER, "复核")
    for statement in (update(AccessEntry).values(actor="x"), delete(AccessEntry)):
        with pytest.raises(DBAPIError, match="append-only"):
            async with centre.db.begin() as session:
                await session.execute(statement)
    assert len(await reading.readings(centre)) == 1


async def test_protection_is_raised_by_anybody_of_the_centre_and_lowered_with_a_reason(
    centre: Centre, ticket_id: str
) -> None:
    ticket = await set_secrecy(centre, ticket_id, 1, LI, identity=True, content=False)
    assert (ticket.identity_secret, ticket.content_secret, ticket.version) == (True, False, 2)
    with pytest.raises(NotAllowed):
        await set_secrecy(centre, ticket_id, 2, LI, identity=False, content=False, why="不用了")
    with pytest.raises(Missing, match="降低保密等级要写明理由"):
        await set_secrecy(centre, ticket_id, 2, MANAGER, identity=False, content=False)
    with pytest.raises(NotAllowed):
        await set_secrecy(centre, ticket_id, 2, CLERK, identity=True, content=True)
    with pytest.raises(TicketChanged):
        await set_secrecy(centre, ticket_id, 1, LI, identity=True, content=True)
    with pytest.raises(Silent):
        await set_secrecy(centre, ticket_id, 2, LI, identity=True, content=True, category="工作秘密", tracker="李")
    ticket = await set_secrecy(centre, ticket_id, 2, MANAGER, identity=False, content=False, why="诉求人同意公开")
    assert (ticket.identity_secret, ticket.version) == (False, 3)
    last = (await view(centre, ticket_id, WANG)).history[-1]
    assert (last.action, last.after, last.why, last.rule) == ("set_secrecy", "不保密", "诉求人同意公开", "YZ-26")
    assert [(one.by, one.identity, one.why) for one in await marks(centre, ticket_id)] == [
        (LI.name, True, ""),
        (MANAGER.name, False, "诉求人同意公开"),
    ]


async def test_the_machine_raises_protection_and_never_against_a_person(centre: Centre) -> None:
    ticket_id = await place(centre, state="draft")

    async def hear(*wishes: Wish) -> tuple[bool, bool, bool]:
        async with centre.db.begin() as session:
            ticket = await session.get_one(Ticket, ticket_id)
            if news := await unheeded(session, ticket, wishes):
                ticket.version += 1
                heed(session, ticket, news, centre.now())
        return ticket.identity_secret, ticket.content_secret, ticket.anonymous

    assert await hear() == (False, False, False)
    assert await hear("identity") == (True, False, False)
    assert await hear("identity", "anonymous") == (True, False, True)
    async with centre.db.session() as session:
        version = (await session.get_one(Ticket, ticket_id)).version
    await set_secrecy(centre, ticket_id, version, WANG, identity=False, content=False, why="来电人说可以公开")
    assert await hear("identity", "content") == (False, False, True)


async def test_what_is_taken_out_was_approved_by_another_person_and_is_taken_once(
    centre: Centre, clockwork: Clockwork
) -> None:
    asked = await releases.ask(centre, MANAGER, kind="statistics", scope="2026-10", purpose="报区政府")
    wanted = {"kind": "statistics", "scope": "2026-10"}
    with pytest.raises(NotApproved, match="还没有批准"):
        await releases.use(centre, asked.id, MANAGER, **wanted)
    with pytest.raises(NotAllowed, match="不能审批自己的申请"):
        await releases.decide(centre, asked.id, MANAGER, approved=True)
    with pytest.raises(NotAllowed):
        await releases.decide(centre, asked.id, WANG, approved=True)
    with pytest.raises(Missing):
        await releases.decide(centre, asked.id, OFFICE, approved=False)
    await releases.decide(centre, asked.id, OFFICE, approved=True)
    with pytest.raises(BadValue, match="已由"):
        await releases.decide(centre, asked.id, OFFICE, approved=False, why="改主意")
    for actor, scope, problem in ((OFFICE, "2026-10", "只有申请人"), (MANAGER, "2026-11", "批准的是")):
        with pytest.raises(NotApproved, match=problem):
            await releases.use(centre, asked.id, actor, kind="statistics", scope=scope)
    used = await releases.use(centre, asked.id, MANAGER, **wanted)
    await releases.note_file(centre, used.id, b"file")
    with pytest.raises(NotApproved, match="只能导出一次"):
        await releases.use(centre, asked.id, MANAGER, **wanted)
    (kept,) = await releases.releases(centre)
    assert (kept.used_by, kept.used_at, len(kept.sha256)) == (MANAGER.name, NOW, 64)

    late = await releases.ask(centre, MANAGER, **wanted, purpose="报区政府")
    await releases.decide(centre, late.id, OFFICE, approved=True)
    clockwork.passes(releases.VALID_FOR)
    with pytest.raises(NotApproved, match="已过期"):
        await releases.use(centre, late.id, MANAGER, **wanted)
    refused = await releases.ask(centre, MANAGER, **wanted, purpose="自己看")
    await releases.decide(centre, refused.id, OFFICE, approved=False, why="用途不明")
    with pytest.raises(NotApproved, match="用途不明"):
        await releases.use(centre, refused.id, MANAGER, **wanted)
    assert await releases.releases(centre, open_only=True) == []


@pytest.mark.parametrize(
    ("actor", "kind", "scope", "problem"),
    [(CLERK, "statistics", "x", NotAllowed), (MANAGER, "all", "x", BadValue), (MANAGER, "tickets", " ", Missing)],
    ids=["a unit", "unknown kind", "no scope"],
)
async def test_nonsense_is_no_application(
    centre: Centre, actor: Actor, kind: str, scope: str, problem: type[Exception]
) -> None:
    with pytest.raises(problem):
        await releases.ask(centre, actor, kind=kind, scope=scope, purpose="x")
    assert await releases.releases(centre) == []


def test_the_table_of_rights_is_complete_and_a_flag_never_shows_more() -> None:
    order = {"shown": 0, "on_request": 1, "hidden": 2}
    for standing, rows in SIGHTS.items():
        for row in rows.values():
            assert set(row) == set(KIND_OF.values()), standing
        for field in KIND_OF:
            plain = sight(standing, Ticket(identity_secret=False, content_secret=False), field)
            secret = sight(standing, Ticket(identity_secret=True, content_secret=True), field)
            assert order[secret] >= order[plain]


async def test_every_ticket_has_a_standing_for_everybody(centre: Centre, ticket_id: str) -> None:
    async with centre.db.session() as session:
        tickets = list(await session.scalars(select(Ticket)))
        found = {
            actor.name: (await standings(session, tickets, actor))[0][1]
            for actor in (WANG, LI, MANAGER, OFFICE, CLERK, OTHER_CLERK, DISCIPLINE, LEADER, AUDITOR, ADMIN)
        }
    assert list(found.values()) == [
        *("taker", "centre", "centre", "centre", "handling", "none", "none", "leadership", "audit", "none"),
    ]
