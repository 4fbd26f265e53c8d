"""Confirmed calls are kept for the evaluation where the operator allows it: masked, and never confidential ones."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from evaluation.cases import load_cases
from routing import corrections, tickets
from routing.corrections import masked
from routing.history import MACHINE, line
from routing.storage import Ticket
from routing.tickets import Actor
from tests.desk.running_desk import Running, a_call, a_ticket, an_utterance, form_token, running_desk
from tests.services import RedisServer

SAID = "我 叫 符大明 电话 幺 三 八 七 六 五 四 三 二 幺 零 保港 村口 三十二 号 的 路灯 坏了 两天 了"


@pytest.fixture
async def keeping(tmp_path: Path, template: Path, redis_of_session: RedisServer) -> AsyncIterator[Running]:
    allowed = {"listening.keep_corrections": "true"}
    async with running_desk(tmp_path, template, redis_of_session.url, **allowed) as running:
        yield running


async def confirmed(desk: Running, edits: dict[str, str], **flags: Any) -> Ticket:
    """A call whose draft the machine filled and 8001 corrected and confirmed, by the page's own request."""
    call = a_call()
    values = {
        "place": "保港",
        "person": "符大明",
        "callback_number": "13876543210",
        "event": "符大明说保港村口三十二号的路灯坏了",
        "matter": "street_lamp",
        "intent": "help",
        "urgency": "normal",
        "functional_unit": "yz.zhujian",
        "territorial_unit": "yz.dsq.baogang",
    }
    proposals = {"matter": [{"id": "street_lamp", "name": "路灯", "score": 0.9, "words": [], "reason": ""}]}
    ticket = a_ticket(call, values=values, proposals=proposals, **flags)
    await desk.add(call, ticket, an_utterance(call, 1, SAID), an_utterance(call, 2, "您好", speaker="agent"))
    async with desk.database.begin() as session:
        for name, value in values.items():
            session.add(line(ticket, ticket.created_at, MACHINE, "filled", field=name, after=value))
    await tickets.edit(desk.database, ticket.id, 1, edits, Actor("坐席一 8001", "agent"))
    async with desk.signed_in() as browser:
        version = (await kept_ticket(desk, ticket)).version
        form = {"form_token": await form_token(browser, "/"), "version": str(version), "reminded": "yes"}
        async with browser.post(f"/tickets/{ticket.id}/confirm", data=form, headers={"Desk-Fragment": "1"}) as answer:
            assert answer.status == 200, await answer.text()
    return await kept_ticket(desk, ticket)


async def kept_ticket(desk: Running, ticket: Ticket) -> Ticket:
    found = await tickets.ticket(desk.database, ticket.id)
    assert found
    return found


def folder(desk: Running) -> Path:
    return desk.settings.data_dir / "corrections"


EDITS = {"place": "保港", "event": "", "person": "符先生"}


async def test_a_confirmed_call_is_a_case_of_the_evaluation(keeping: Running) -> None:
    other = next(one.id for one in keeping.law.matters if one.id != "street_lamp" and one.scope == "YZ-11-3")
    ticket = await confirmed(keeping, EDITS | {"matter": other})
    (case,) = load_cases([folder(keeping) / "cases.yaml"])
    assert [turn.speaker for turn in case.said] == ["caller", "agent"]
    assert case.said[0].text == "我叫某某某电话某号码保港村口某号的路灯坏了两天了"
    assert case.scope == ("accept",) and case.place and case.place.unit == "yz.dsq.baogang"
    assert case.matters[0].matter == (other,)
    (told,) = yaml.safe_load((folder(keeping) / "guesses.yaml").read_text(encoding="utf-8"))
    assert told["id"] == case.id
    fields = told["fields"]
    assert {name: fields[name]["fate"] for name in ("place", "matter", "event", "person", "intent")} == {
        "place": "accepted",
        "matter": "corrected",
        "event": "cleared",
        "person": "corrected",
        "intent": "untouched",
    }
    assert fields["matter"]["machine"] == "street_lamp" and fields["matter"]["proposed"] == ["street_lamp"]
    assert fields["event"]["machine"] == "某某某说保港村口某号的路灯坏了"
    assert fields["person"] == {"fate": "corrected"}
    whole = "".join(path.read_text(encoding="utf-8") for path in folder(keeping).iterdir())
    assert not [
        secret for secret in ("符", "13876543210", "幺三八", "三十二", ticket.id, ticket.serial) if secret in whole
    ]
    for path in folder(keeping).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_without_leave_nothing_is_kept(desk: Running) -> None:
    await confirmed(desk, {})
    assert not folder(desk).exists()


@pytest.mark.parametrize("flag", ["identity_secret", "content_secret", "anonymous"])
async def test_what_is_confidential_is_not_kept(keeping: Running, flag: str) -> None:
    await confirmed(keeping, {}, **{flag: True})
    assert not folder(keeping).exists()


async def test_a_full_file_is_put_aside(keeping: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrections, "MOST_BYTES", 100)
    for _ in range(3):
        await confirmed(keeping, {})
    names = sorted(path.name for path in folder(keeping).iterdir())
    assert names == [".lock", "cases.yaml", "cases.yaml.old", "guesses.yaml", "guesses.yaml.old"]
    assert len(load_cases([folder(keeping) / "cases.yaml"])) == 1


async def test_a_ticket_is_confirmed_though_its_case_cannot_be_kept(keeping: Running) -> None:
    folder(keeping).write_text("a file stands where the folder should be")
    assert (await confirmed(keeping, {})).state == "accepted"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("水南村停水两天了", "水南村停水两天了"),
        ("我电话1 3 8 0 0 0 0 1 2 3 4", "我电话某号码"),
        ("幺三八 七六五四 三二幺零", "某号码"),
        ("二零二六年的事", "某号码年的事"),
        ("2026-11-20 起", "2026-11-20 起"),
        ("海棠小区5栋2单元301室", "海棠小区某栋某单元某室"),
        ("王师傅打了李女士", "某师傅打了某女士"),
        ("我姓符", "我姓某"),
        ("罚了三百块", "罚了三百块"),
        ("车牌琼B12345", "车牌琼某号码"),
        ("", ""),
    ],
)
def test_masking(text: str, shown: str) -> None:
    assert masked(text) == shown
