"""Who may hear what was said, and that each reading of what is confidential is written down."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from desk.state import DESK
from ivr.events import now
from routing.dispatching.splitting import split
from routing.secrecy.hearing import HEARD_FOR
from routing.secrecy.reading import readings
from routing.storage import Call, Ticket
from routing.tickets import Actor
from tests.desk.recorded import recorded, seconds_in
from tests.desk.running_desk import Running, a_call, a_ticket, an_utterance, form_token

TAKER, OTHER = Actor("坐席一 8001", "agent"), Actor("坐席二 8002", "agent")


async def a_recorded_call(desk: Running, **flags: Any) -> tuple[Call, Ticket]:
    """A call of 30 s with agent 8001; the caller's tap begins in second 2 and says 水南村 停水 in second 10."""
    begins = now() - timedelta(seconds=90)
    call = a_call(
        state="ended",
        arrived_at=begins - timedelta(seconds=3),
        queued_at=begins,
        ended_at=begins + timedelta(seconds=30),
    )
    one = an_utterance(call, 1, "水南村 停水")
    one.start, one.end, one.at = 8.3, 9.6, begins + timedelta(seconds=12)
    one.words = [
        {"text": "水南村", "start": 8.5, "end": 8.6, "confidence": 0.9},
        {"text": "停水", "start": 8.6, "end": 9.5, "confidence": 0.9},
    ]
    began = (begins + timedelta(seconds=2)).isoformat()
    call.listening = {"caller": {"state": "on", "model": "demo", "detail": "", "taps": {one.tap_id: began}}}
    ticket = a_ticket(call, values={"place": "水南村"}, **flags)
    await desk.add(call, ticket, one)
    ticket.fields = {**ticket.fields, "place": ticket.fields["place"] | {"utterances": [one.id]}}
    async with desk.database.begin() as session:
        await session.merge(ticket)
    recorded(desk.settings.recordings_dir, call.call_id, begins, 30)
    return call, ticket


async def heard(desk: Running, path: str, who: str = "8001") -> tuple[int, str, bytes]:
    """Status, content type and body."""
    async with desk.signed_in(who) as browser, browser.get(path, headers={"Desk-Fragment": "1"}) as answer:
        return answer.status, answer.content_type, await answer.read()


async def test_a_line_a_field_and_the_whole_call(desk: Running, tmp_path: Path) -> None:
    _, ticket = await a_recorded_call(desk)
    base = f"/tickets/{ticket.id}/sound"
    utterance = ticket.fields["place"]["utterances"][0]
    status, kind, wav = await heard(desk, f"{base}/field/place")
    assert (status, kind) == (200, "audio/wav")
    assert seconds_in(wav, tmp_path) == [10, 11], "from 10.1 (0.4 s before 水南村) to 11.2 (0.6 s after)"
    status, _, wav = await heard(desk, f"{base}/said/{utterance}")
    assert status == 200 and seconds_in(wav, tmp_path) == [9, 10, 11, 12]
    status, _, wav = await heard(desk, base)
    assert status == 200 and len(seconds_in(wav, tmp_path)) == 30


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/said/999", 404, "没有这一句"),
        ("/said/x", 404, "没有这一句"),
        ("/field/person", 404, "没有记下依据"),
        ("/field/nothing", 404, "没有“nothing”这个字段"),
    ],
)
async def test_what_is_not_there(desk: Running, path: str, status: int, said: str) -> None:
    _, ticket = await a_recorded_call(desk)
    found = await heard(desk, f"/tickets/{ticket.id}/sound{path}")
    assert found[0] == status and said in found[2].decode()


async def test_without_a_file_the_reason_is_told(desk: Running) -> None:
    call, ticket = await a_recorded_call(desk)
    (desk.settings.recordings_dir / f"{call.call_id}.wav").unlink()
    status, _, text = await heard(desk, f"/tickets/{ticket.id}/sound/field/place")
    assert status == 404 and "没有录音" in text.decode()


async def test_a_lasting_call_is_heard_in_pieces_only(desk: Running) -> None:
    call, ticket = await a_recorded_call(desk)
    async with desk.database.begin() as session:
        (await session.merge(call)).state = "talking"
    assert (await heard(desk, f"/tickets/{ticket.id}/sound"))[0] == 409
    assert (await heard(desk, f"/tickets/{ticket.id}/sound/field/place"))[0] == 200


async def test_only_people_of_the_desk(desk: Running) -> None:
    _, ticket = await a_recorded_call(desk)
    path = f"/tickets/{ticket.id}/sound/field/place"
    assert (await heard(desk, path, "audit"))[0] == 403
    async with desk.browser() as stranger, stranger.get(path, headers={"Desk-Fragment": "1"}) as answer:
        assert answer.status == 401
    assert (await heard(desk, "/tickets/none/sound/field/place"))[0] == 404


@pytest.mark.parametrize("flag", ["identity_secret", "content_secret"])
async def test_what_is_confidential_is_heard_with_a_reason_that_is_written_down(desk: Running, flag: str) -> None:
    _, ticket = await a_recorded_call(desk, **{flag: True})
    path = f"/tickets/{ticket.id}/sound/field/place"
    assert (await heard(desk, path, "8001"))[0] == 200, "who took the call heard it all"
    status, _, text = await heard(desk, path, "8002")
    assert status == 403 and "先写明理由" in text.decode()
    centre = desk.app[DESK].centre
    assert await readings(centre) == []
    async with desk.signed_in("8002") as browser:
        token = await form_token(browser, f"/tickets/{ticket.id}/reveal")
        form = {"form_token": token, "field": "recording", "reason": ""}
        async with browser.post(f"/tickets/{ticket.id}/reveal", data=form) as answer:
            assert answer.status == 400 and "<audio" not in await answer.text()
        form["reason"] = "核对地址"
        async with browser.post(f"/tickets/{ticket.id}/reveal", data=form) as answer:
            assert answer.status == 200 and f'src="/tickets/{ticket.id}/sound"' in await answer.text()
    (entry,) = await readings(centre)
    assert (entry.actor, entry.field, entry.reason, entry.outcome) == (OTHER.name, "recording", "核对地址", "shown")
    assert (await heard(desk, path, "8002"))[0] == 200
    assert (await heard(desk, path, "8004"))[0] == 403, "the reason was another person's"
    object.__setattr__(centre, "now", lambda: now() + HEARD_FOR)
    assert (await heard(desk, path, "8002"))[0] == 403, "a reason holds for a quarter of an hour"


async def test_a_discipline_matter_exists_for_nobody_else(desk: Running) -> None:
    _, ticket = await a_recorded_call(desk, restricted_to="yz.jiwei")
    assert (await heard(desk, f"/tickets/{ticket.id}/sound/field/place", "8002"))[0] == 404


async def test_a_further_ticket_opens_nothing_that_the_calls_own_keeps(desk: Running) -> None:
    _, ticket = await a_recorded_call(desk)
    centre = desk.app[DESK].centre
    further = await split(centre, ticket.id, None, TAKER, {"event": "还有一件事"})
    path = f"/tickets/{further.id}/sound"
    assert (await heard(desk, path, "8002"))[0] == 200, "it plays the call that it came of"
    async with desk.database.begin() as session:
        (await session.get_one(Ticket, ticket.id)).content_secret = True
    assert (await heard(desk, path, "8002"))[0] == 403
