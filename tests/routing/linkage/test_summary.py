"""What is read out to a line: from the ticket, before that from the caller's words, never an invention."""

from __future__ import annotations

import pytest

from ivr.events import now
from routing.jurisdiction import Jurisdiction
from routing.linkage.configuration import Station, StationEntry
from routing.linkage.notices import _Details
from routing.linkage.summary import read_out
from routing.storage import Call, Ticket, Utterance, blank_fields


def said(text: str, speaker: str = "caller") -> Utterance:
    return Utterance(call_id="c", speaker=speaker, tap_id="t", number=1, at=now(), text=text)


def ticket(**values: str) -> Ticket:
    fields = blank_fields()
    for name, value in values.items():
        fields[name]["value"] = value
    return Ticket(serial="YZ1", jurisdiction="yazhou", fields=fields)


@pytest.mark.parametrize(
    ("values", "words", "caller", "sentence"),
    [
        ({}, [], "", "地点还不清楚，情况还不清楚，来电号码未显示。"),
        ({}, ["家里 着火 了 [unk]"], "13800000001", "地点还不清楚，来电人说“家里着火了”，电话13800000001。"),
        ({"place": "保港社区"}, ["救命"], "13800000001", "保港社区，来电人说“救命”，电话13800000001。"),
        (
            {"place": "保港社区", "event": "家里着火了", "person": "姓符", "callback_number": "13976509214"},
            ["别的"],
            "13800000001",
            "保港社区，家里着火了，来电人姓符，电话13976509214。",
        ),
        ({"place": "保港", "event": "保港有人落水"}, [], "138", "保港有人落水，电话138。"),
        ({"place": "保港", "matter": "street_lamp"}, [], "138", "保港，路灯不亮或损坏，电话138。"),
    ],
    ids=["nothing", "words_only", "place_and_words", "everything", "place_in_the_event", "matter"],
)
def test_the_sentence(
    yazhou: Jurisdiction, values: dict[str, str], words: list[str], caller: str, sentence: str
) -> None:
    call = Call(call_id="c", caller_number=caller, arrived_at=now())
    spoken = [said("您好", "agent"), *(said(text) for text in words)]
    assert read_out(call, ticket(**values), spoken, yazhou).sentence == sentence


def test_only_the_latest_words_of_the_caller(yazhou: Jurisdiction) -> None:
    call = Call(call_id="c", caller_number="138", arrived_at=now())
    spoken = [said("第一句"), said("第二句"), said("第三句"), said("好的", "agent")]
    assert "第二句，第三句" in read_out(call, None, spoken, yazhou).sentence
    long = read_out(call, None, [said("救" * 500)], yazhou).sentence
    assert len(long) < 120


@pytest.mark.parametrize(("secret", "told"), [(True, False), (False, True)], ids=["secret", "open"])
def test_a_station_is_not_told_who_called_where_that_is_secret(yazhou: Jurisdiction, secret: bool, told: bool) -> None:
    event = "我是符先生，邻居持刀追我，我电话一三八零零一三八零零零"
    kept = ticket(event=event, place="保港", person="符先生（要求身份保密）")
    kept.identity_secret, kept.caller_number = secret, "13800138000"
    call = Call(call_id="c", caller_number="13800138000", arrived_at=now())
    station = Station(StationEntry(name="police", line="110", url="http://127.0.0.1/", secret_file="x"), b"")
    body = _Details(station, call, kept, read_out(call, kept, [], yazhou)).body("linkage.asked", station)
    assert "邻居持刀追我" in body["summary"]
    shown = [who for who in ("符先生", "一三八零零一三八零零零", "13800138000") if who in str(body)]
    assert bool(shown) is told, body
