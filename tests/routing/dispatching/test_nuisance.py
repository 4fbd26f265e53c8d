"""Nuisance calls: evidence for the police, by two persons; and nobody is ever shut out (QH-5a, QH-7, TP-38, 16)."""

from __future__ import annotations

import ast
from collections.abc import Callable
from datetime import timedelta

import pytest

from ivr.events import CallArrived
from routing.call_record import apply
from routing.dispatching import nuisance
from routing.dispatching.nuisance import decide_package, hand_over, make_package, mark
from routing.jurisdiction import Jurisdiction
from routing.life.errors import BadValue, IllegalTransition, Missing, NotAllowed, Silent
from routing.storage import Base, Call
from routing.tickets import Actor, ticket_of_call
from settings import ROOT, Settings
from tests.routing.life.conftest import AGENT, CLERK, MANAGER, OFFICE, Office
from tests.routing.life.mixed_law import yazhou_with


@pytest.fixture
def qionghai(open_office: Callable[..., Office]) -> Office:
    return open_office(yazhou_with("qionghai", "nuisance", "no_block_list"))


async def calls(office: Office, count: int = 2, number: str = "13800000001") -> list[str]:
    """Calls as the bridge tells them, each with its draft ticket."""
    made = [f"{number}-{index}" for index in range(count)]
    for index, call_id in enumerate(made):
        async with office.centre.db.begin() as session:
            await apply(
                session,
                CallArrived(
                    call_id=call_id,
                    event_id=f"{call_id}:arrived",
                    at=office.clock.at + timedelta(minutes=index),
                    caller_number=number,
                    called_number="12345",
                    channel="PJSIP/x",
                    uniqueid="1.1",
                    node="a",
                ),
                office.centre.jurisdiction,
            )
    return made


async def marked(office: Office, **more: str) -> list[str]:
    made = await calls(office, **more)  # type: ignore[arg-type]
    for call_id in made:
        await mark(office.centre, call_id, AGENT, kind="harassment", note="反复拨打，无诉求")
    return made


async def test_a_package_is_made_approved_by_another_and_handed_over(qionghai: Office) -> None:
    made = await marked(qionghai)
    package = await make_package(qionghai.centre, made, OFFICE, why="多次骚扰")
    with pytest.raises(IllegalTransition, match="要经批准"):
        await hand_over(qionghai.centre, package.id, OFFICE, to="崖州分局 李警官")
    with pytest.raises(NotAllowed, match="不能自己批准"):
        await decide_package(qionghai.centre, package.id, OFFICE, approve=True)
    with pytest.raises(NotAllowed):
        await decide_package(qionghai.centre, package.id, AGENT, approve=True)
    await decide_package(qionghai.centre, package.id, MANAGER, approve=True)
    content = await hand_over(qionghai.centre, package.id, OFFICE, to="崖州分局 李警官")
    assert (content["rule"], content["sha256"]) == ("QH-7", package.sha256)
    assert [one["call_id"] for one in content["calls"]] == made
    assert {one["number"] for one in content["calls"]} == {"13800000001"}
    assert content["calls"][0]["kind"] == "骚扰"
    with pytest.raises(IllegalTransition, match="已经决定过"):
        await decide_package(qionghai.centre, package.id, MANAGER, approve=False, why="证据不足")


async def test_what_changed_after_the_approval_is_not_handed_over(qionghai: Office) -> None:
    made = await marked(qionghai)
    package = await make_package(qionghai.centre, made, OFFICE, why="多次骚扰")
    await decide_package(qionghai.centre, package.id, MANAGER, approve=True)
    async with qionghai.centre.db.begin() as session:
        (await session.get_one(Call, made[0])).agent = "8009"
    with pytest.raises(IllegalTransition, match="有变动"):
        await hand_over(qionghai.centre, package.id, OFFICE, to="崖州分局")


async def test_a_package_is_about_one_caller_and_marked_calls_only(qionghai: Office) -> None:
    made = [*await marked(qionghai), *await marked(qionghai, number="13900000002")]
    with pytest.raises(BadValue, match="同一个来电人"):
        await make_package(qionghai.centre, made, OFFICE, why="多次骚扰")
    (unmarked,) = await calls(qionghai, 1, "13700000003")
    with pytest.raises(BadValue, match="没有登记为滋扰"):
        await make_package(qionghai.centre, [unmarked], OFFICE, why="多次骚扰")
    for given, error in (([], Missing), (["nowhere"], BadValue)):
        with pytest.raises(error):
            await make_package(qionghai.centre, given, OFFICE, why="多次骚扰")


@pytest.mark.parametrize(
    ("actor", "kind", "note", "error"),
    [
        (CLERK, "harassment", "骚扰", NotAllowed),
        (AGENT, "annoying", "骚扰", BadValue),
        (AGENT, "harassment", "", Missing),
        (Actor("黑客", "root"), "harassment", "骚扰", NotAllowed),
    ],
    ids=["unit", "kind", "no note", "nobody"],
)
async def test_a_wrong_mark_is_refused(
    qionghai: Office, actor: Actor, kind: str, note: str, error: type[Exception]
) -> None:
    (call_id,) = await calls(qionghai, 1)
    with pytest.raises(error):
        await mark(qionghai.centre, call_id, actor, kind=kind, note=note)
    with pytest.raises(BadValue):
        await mark(qionghai.centre, "nowhere", AGENT, kind="harassment", note="骚扰")


async def test_a_document_without_the_rule_hands_nobody_over(office: Office) -> None:
    made = await marked(office)
    with pytest.raises(Silent):
        await make_package(office.centre, made, OFFICE, why="多次骚扰")


async def test_whoever_was_handed_over_calls_again_like_everybody(qionghai: Office) -> None:
    made = await marked(qionghai)
    package = await make_package(qionghai.centre, made, OFFICE, why="多次骚扰")
    await decide_package(qionghai.centre, package.id, MANAGER, approve=True)
    await hand_over(qionghai.centre, package.id, OFFICE, to="崖州分局")
    async with qionghai.centre.db.begin() as session:
        await apply(
            session,
            CallArrived(
                call_id="again",
                event_id="again:arrived",
                at=qionghai.clock.at,
                caller_number="13800000001",
                called_number="12345",
                channel="PJSIP/x",
                uniqueid="1.1",
                node="a",
            ),
            qionghai.centre.jurisdiction,
        )
    ticket = await ticket_of_call(qionghai.centre.db, "again")
    assert ticket is not None and (ticket.state, ticket.attention) == ("draft", "")


_WORDS = ("block", "black", "ban", "deny", "reject_call", "unwanted")


def test_no_configuration_can_shut_a_caller_out() -> None:
    allowed = {"no_block_list"}  # the provision that forbids it

    def fields(model: type, seen: set[type]) -> set[str]:
        if model in seen or not hasattr(model, "model_fields"):
            return set()
        seen.add(model)
        found = set()
        for name, field in model.model_fields.items():
            found.add(name)
            for part in _types_in(field.annotation):
                found |= fields(part, seen)
        return found

    names = fields(Settings, set()) | fields(Jurisdiction, set())
    assert len(names) > 150  # it really looked everywhere
    assert {name for name in names - allowed if any(word in name.split("_") for word in _WORDS)} == set()


def _types_in(annotation: object) -> list[type]:
    arguments = getattr(annotation, "__args__", ())
    if arguments:
        return [found for one in arguments for found in _types_in(one)]
    return [annotation] if isinstance(annotation, type) else []


def test_no_table_holds_callers_to_be_shut_out() -> None:
    names = {part for table in Base.metadata.tables.values() for part in (table.name, *table.columns.keys())}
    assert "nuisance_calls" in names
    assert {name for name in names if any(word in name.split("_") for word in _WORDS)} == set()


def test_what_answers_calls_knows_nothing_of_nuisance() -> None:
    """Only this module, its tables and its command read what was marked: nothing that takes calls or tickets in."""
    readers = set()
    for folder in ("ivr", "routing", "desk", "front"):
        for file in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(file.read_text())
            imported = {
                name
                for node in ast.walk(tree)
                if isinstance(node, ast.Import | ast.ImportFrom)
                for name in [getattr(node, "module", "") or "", *(alias.name for alias in node.names)]
            }
            if any(name.startswith("Nuisance") or "nuisance" in name for name in imported):
                readers.add(file.relative_to(ROOT).as_posix())
    # law.py knows the provision of that name: to whom evidence is handed.
    readers.discard("routing/law/law.py")
    assert readers <= {"routing/dispatching/nuisance.py", "routing/dispatching/commands.py"}
    assert nuisance.KINDS
    for file in (ROOT / "dialplans").rglob("*.conf*"):
        assert "blacklist" not in file.read_text().lower()
