"""What the machine suggests beyond the fields: taken or waved away by a person, never done by itself."""

from __future__ import annotations

from typing import Any

import pytest

from routing import tickets
from routing.further_matter import call_of, further_of
from routing.reading.elements import Heard, extract
from routing.reading.proposal import propose
from routing.storage import Candidate, Ticket
from tests.desk.running_desk import Running, a_call, a_ticket, an_utterance, form_token

LIGHTS, NOISE = "保港 的 路灯 坏了 两天 了", "还有 一个 事情 我们 隔壁 烧烤店 晚上 太吵 了"


def candidate(which: str, name: str, *words: str, score: float = 0.8) -> Candidate:
    return Candidate(id=which, name=name, score=score, words=list(words), reason=f"来电说到{'、'.join(words)}")


REFUSED = {
    "scope": [candidate("refuse", "不予受理", "法院"), candidate("accept", "受理", score=0.5)],
    "refuse_ground": [candidate("YZ-12-6", "应当通过诉讼解决的", "法院"), candidate("YZ-12-7", "其他", "法院")],
}
DIRECTORY = {"scope": [candidate("transfer_114", "转社会综合信息服务", "电话是多少")]}
DISCIPLINE = {"functional_unit": [candidate("yz.jiwei", "区纪委", "收了钱")]}
PLACES = {"place": [candidate("yz.cun.haitang", "海棠村", "海棠"), candidate("haitang", "海棠区", "海棠")]}
FURTHER = {"other_matter": [candidate("noise_restaurant", "餐饮噪音", "烧烤", "吵")]}


async def a_draft(desk: Running, *said: str, **proposals: Any) -> Ticket:
    """The draft of a call with 8001 in which this was said, with these proposals."""
    call = a_call()
    ticket = a_ticket(call, values={"place": "海棠"}, proposals=proposals)
    spoken = [an_utterance(call, number, text) for number, text in enumerate(said, 1)]
    await desk.add(call, ticket, *spoken)
    return ticket


async def shown(desk: Running, ticket: Ticket, who: str = "8001") -> str:
    """The suggestions as the desk renders them."""
    async with desk.signed_in(who) as browser, browser.get(f"/parts?want=suggestions&ticket={ticket.id}") as answer:
        assert answer.status == 200
        return await answer.text()


async def decide(desk: Running, ticket: Ticket, who: str = "8001", **values: str) -> tuple[int, str]:
    """Decide about a suggestion as the page does; gives status and pieces."""
    async with desk.signed_in(who) as browser:
        form = {"form_token": await form_token(browser, "/")} | values
        headers = {"Desk-Fragment": "1"}
        async with browser.post(f"/tickets/{ticket.id}/suggestion", data=form, headers=headers) as answer:
            return answer.status, await answer.text()


async def kept(desk: Running, ticket: Ticket) -> Ticket:
    found = await tickets.ticket(desk.database, ticket.id)
    assert found
    return found


async def test_without_proposals_there_is_nothing(desk: Running) -> None:
    page = await shown(desk, await a_draft(desk, LIGHTS))
    assert "hidden" in page and "机器建议" not in page


async def test_a_refusal_is_proposed_with_its_grounds_and_nothing_is_done(desk: Running) -> None:
    ticket = await a_draft(desk, **REFUSED)
    page = await shown(desk, ticket)
    for text in (
        "机器建议 80%",
        "可能不属于受理范围",
        "不予受理：应当通过诉讼解决的",
        "不予受理：其他",
        "<q>法院</q>",
        "data-twice",
    ):
        assert text in page, text
    assert (await kept(desk, ticket)).state == "draft"


async def test_a_refusal_is_taken(desk: Running) -> None:
    ticket = await a_draft(desk, **REFUSED)
    status, page = await decide(desk, ticket, kind="scope", chosen="refuse", value="refuse:YZ-12-6")
    after = await kept(desk, ticket)
    assert (status, after.state, after.ground) == (200, "refused", "YZ-12-6")
    assert "机器建议" not in page and "不予受理" in page
    # A second desk that has not seen it is told.
    status, page = await decide(desk, ticket, "8002", kind="scope", chosen="refuse", value="refuse:YZ-12-6")
    assert status == 409 and 'id="suggestion-message"' in page and "不予受理" in page


async def test_what_a_directory_answers_is_referred(desk: Running) -> None:
    ticket = await a_draft(desk, **DIRECTORY)
    assert "可能由社会综合信息服务答复" in await shown(desk, ticket)
    status, _ = await decide(desk, ticket, kind="scope", chosen="transfer_114", value="transfer_114:")
    after = await kept(desk, ticket)
    assert (status, after.state, after.ground) == (200, "referred", "directory")


async def test_a_discipline_matter_is_handed_to_its_unit_alone(desk: Running) -> None:
    ticket = await a_draft(desk, **DISCIPLINE)
    assert "可能是党员干部违纪事项" in await shown(desk, ticket)
    status, _ = await decide(desk, ticket, kind="scope", chosen="discipline", value="discipline:")
    after = await kept(desk, ticket)
    assert (status, after.state, after.restricted_to) == (200, "referred", "yz.jiwei")


@pytest.mark.parametrize(
    ("proposals", "kind", "chosen"),
    [
        (REFUSED, "scope", "refuse"),
        (DISCIPLINE, "scope", "discipline"),
        (PLACES, "place", "yz.cun.haitang"),
        (FURTHER, "other_matter", "noise_restaurant"),
    ],
    ids=["refuse", "discipline", "place", "further"],
)
async def test_what_is_waved_away_stays_away_and_is_in_the_history(
    desk: Running, proposals: dict[str, Any], kind: str, chosen: str
) -> None:
    ticket = await a_draft(desk, **proposals)
    assert "机器建议" in await shown(desk, ticket)
    for _ in range(2):
        status, page = await decide(desk, ticket, kind=kind, chosen=chosen)
        assert status == 200 and "机器建议" not in page
    assert "机器建议" not in await shown(desk, ticket)
    (made,) = await tickets.history(desk.database, ticket.id)
    assert (made.action, made.after, made.actor, made.version) == ("waved_away", chosen, "坐席一 8001", 2)
    # It is no change of a field that others would have to see before they confirm.
    await tickets.confirm(
        desk.database, ticket.id, 1, {"matter": ""}, tickets.Actor("x", "agent"), jurisdiction=desk.law
    )


@pytest.mark.parametrize(
    ("values", "status", "said"),
    [
        ({"kind": "scope", "chosen": "accept"}, 409, "已经没有了"),
        ({"kind": "nothing", "chosen": "refuse"}, 409, "已经没有了"),
        ({}, 409, "已经没有了"),
        ({"kind": "scope", "chosen": "refuse", "value": "refuse:YZ-99"}, 409, "没有“YZ-99”"),
        ({"kind": "scope", "chosen": "refuse", "value": "drop table"}, 409, "没有这样的建议"),
        ({"kind": "other_matter", "chosen": "x", "value": "x"}, 409, "没有（或不再）听到"),
    ],
    ids=["nobody proposed it", "no such kind", "nothing", "no such ground", "no such act", "no such matter"],
)
async def test_bad_decisions_change_nothing(desk: Running, values: dict[str, str], status: int, said: str) -> None:
    ticket = await a_draft(desk, LIGHTS, scope=REFUSED["scope"][:1])
    found = await decide(desk, ticket, **values)
    assert found[0] == status and said in found[1]
    after = await kept(desk, ticket)
    assert (after.version, after.state) == (1, "draft")
    assert await tickets.history(desk.database, ticket.id) == []


async def test_only_the_desk_decides(desk: Running) -> None:
    ticket = await a_draft(desk, **REFUSED)
    path = f"/tickets/{ticket.id}/suggestion"
    for who, form in (("audit", {"kind": "scope"}), ("8001", {"kind": "scope"})):  # not that role; without the token
        async with desk.signed_in(who) as browser, browser.post(path, data=form) as answer:
            assert answer.status == 403
    async with desk.signed_in() as browser:
        form = {"form_token": await form_token(browser, "/")}
        async with browser.post("/tickets/none/suggestion", data=form) as answer:
            assert answer.status == 404


async def test_that_nothing_is_understood_is_said_when_there_was_time_to_understand(desk: Running) -> None:
    unclear = [candidate("clarify", "请来电人再说清楚")]
    assert "还没有听清" not in await shown(desk, await a_draft(desk, "喂", "你好", scope=unclear))
    page = await shown(desk, await a_draft(desk, "喂", "你好", "那个", scope=unclear))
    assert "还没有听清要办的事，请再问" in page and "data-option=" not in page and "data-wave" in page


async def test_the_place_is_asked_until_a_person_has_written_it(desk: Running) -> None:
    ticket = await a_draft(desk, **PLACES)
    page = await shown(desk, ticket)
    assert "请问来电人：是海棠村还是海棠区？" in page
    assert 'data-option-field="place"' in page and 'data-option-value="海棠区"' in page
    await tickets.edit(desk.database, ticket.id, 1, {"place": "海棠区"}, tickets.Actor("坐席一 8001", "agent"))
    assert "请问来电人" not in await shown(desk, ticket)


async def test_a_further_matter_becomes_a_draft_of_guesses(desk: Running) -> None:
    ticket = await a_draft(desk, LIGHTS, NOISE, other_matter=FURTHER["other_matter"])
    async with desk.database.begin() as session:
        changed = await session.get_one(Ticket, ticket.id)
        changed.identity_secret, changed.version = True, 2
    found = await further_of(desk.database, ticket.id)
    assert found == []
    matter = await heard_besides(desk, ticket)
    async with desk.database.begin() as session:
        changed = await session.get_one(Ticket, ticket.id)
        changed.proposals = {"other_matter": [candidate(matter, "吵", "烧烤")]}
        changed.version += 1
    assert "还说到另一件事" in await shown(desk, ticket)
    status, page = await decide(desk, ticket, kind="other_matter", chosen=matter, value=matter)
    (further,) = await further_of(desk.database, ticket.id)
    assert status == 200 and further.serial in page and "另立工单" not in page
    guessed = further.fields["matter"]
    assert (guessed["value"], guessed["source"], guessed["by"]) == (matter, "machine", "machine")
    assert guessed["words"] and guessed["utterances"]
    assert further.fields["event"]["source"] == "machine" and "烧烤" in further.fields["event"]["value"]
    assert (further.caller_number, further.identity_secret, further.call_id) == (ticket.caller_number, True, None)
    call = await call_of(desk.database, further)
    assert call and call.call_id == ticket.call_id
    # Pressed again, there is still one; its page shows the call that it came of.
    assert (await decide(desk, ticket, kind="other_matter", chosen=matter, value=matter))[0] == 200
    assert len(await further_of(desk.database, ticket.id)) == 1
    async with desk.signed_in() as browser, browser.get(f"/?ticket={further.id}") as answer:
        page = await answer.text()
        assert "烧烤店" in page and f'data-subject="{ticket.call_id}"' in page


async def heard_besides(desk: Running, ticket: Ticket) -> str:
    """The further matter that the reading hears in the ticket's call."""
    said = await tickets.utterances(desk.database, ticket.call_id or "")
    heard = [Heard(one.id, one.speaker, one.text, one.at) for one in said]
    (other,) = propose(heard, extract(heard, desk.law, ticket.created_at), desk.law).others
    return other.matter
