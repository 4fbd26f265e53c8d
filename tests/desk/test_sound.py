"""Where a moment of the call lies in its recording."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from desk.hearing import evidence, tap_began
from desk.sound import NoSound, recording_of
from ivr.events import now
from routing.storage import Call, FieldValue, Utterance
from tests.desk.recorded import recorded, seconds_in
from tests.desk.running_desk import a_call, an_utterance

ENDED = {"state": "ended"}


def an_ended_call(seconds: float = 30) -> tuple[Call, datetime]:
    """A call that was recorded for so long until a minute ago, and when the recording began."""
    begins = now() - timedelta(seconds=60 + seconds)
    return a_call(
        state="ended",
        arrived_at=begins - timedelta(seconds=5),
        queued_at=begins,
        ended_at=begins + timedelta(seconds=seconds),
    ), begins


def second(begins: datetime, number: float) -> datetime:
    return begins + timedelta(seconds=number)


@pytest.mark.parametrize("open_still", [False, True], ids=["ended", "lasting"])
def test_a_stretch_is_found_by_the_clock(tmp_path: Path, open_still: bool) -> None:
    call, begins = an_ended_call()
    recorded(tmp_path, call.call_id, begins, 30, open_still=open_still)
    found = recording_of(call, tmp_path, now())
    assert abs((found.begins - begins).total_seconds()) < 0.01
    stretches = [(second(begins, 7.1), second(begins, 8.9)), (second(begins, 20.1), second(begins, 20.9))]
    assert seconds_in(found.wav(stretches), tmp_path) == [7, 8, 20]


def test_what_lies_outside_is_left_out(tmp_path: Path) -> None:
    call, begins = an_ended_call()
    recorded(tmp_path, call.call_id, begins, 30)
    found = recording_of(call, tmp_path, now())
    assert seconds_in(found.wav([(second(begins, -9), second(begins, 0.5))]), tmp_path) == [0]
    assert seconds_in(found.wav([(second(begins, 29.5), second(begins, 99))]), tmp_path) == [29]
    with pytest.raises(NoSound) as none:
        found.wav([(second(begins, 31), second(begins, 33))])
    assert none.value.code == "not_recorded_yet"


def test_a_copied_file_begins_where_calls_are_recorded_from(tmp_path: Path) -> None:
    call, begins = an_ended_call()
    recorded(tmp_path, call.call_id, now() + timedelta(days=2), 30)
    assert recording_of(call, tmp_path, now()).begins == begins
    call.queued_at = None
    with pytest.raises(NoSound) as none:
        recording_of(call, tmp_path, now())
    assert none.value.code == "recording_unplaced"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "no_recording"),
        (b"", "recording_unreadable"),
        (b"RIFF\0\0\0\0WAVE", "recording_unreadable"),
        (b"RIFF\0\0\0\0WAVEdata\x10\0\0\0" + bytes(16), "recording_unreadable"),
        (b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x06\0\x01\0" + bytes(60), "recording_unreadable"),
        (b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\xff" + bytes(60), "recording_unreadable"),
    ],
    ids=["none", "empty", "cut off", "no format", "alaw", "a lie about its length"],
)
def test_what_is_no_recording_says_so(tmp_path: Path, content: bytes | None, code: str) -> None:
    call, _ = an_ended_call()
    if content is not None:
        (tmp_path / f"{call.call_id}.wav").write_bytes(content)
    with pytest.raises(NoSound) as none:
        recording_of(call, tmp_path, now())
    assert none.value.code == code


def machine(words: list[str], *utterances: int) -> FieldValue:
    return FieldValue(value="x", source="machine", words=words, confidence=0.8, utterances=list(utterances), by="")


def said(number: int, text: str) -> Utterance:
    """Utterance `number`; its words last 0.3 s each (an_utterance), the utterance 2 s."""
    one = an_utterance(a_call(), number, text)
    one.id = number
    return one


@pytest.mark.parametrize(
    ("words", "span"),
    [
        (["水南村"], (0.3, 0.6)),
        (["水南村", "停水"], (0.3, 0.9)),
        (["南村停"], (0.3, 0.9)),
        (["水南 村"], (0.3, 0.6)),
        (["海棠"], (0.0, 2.0)),
        ([], (0.0, 2.0)),
        ([""], (0.0, 2.0)),
    ],
    ids=str,
)
def test_the_seconds_of_the_words(words: list[str], span: tuple[float, float]) -> None:
    one, other = said(1, "我们 水南村 停水 了"), said(2, "水南村")
    ((found, seconds),) = evidence(machine(words, 1), [one, other])
    assert found is one and seconds == pytest.approx(span)


def test_several_utterances_keep_their_order_and_none_gives_none() -> None:
    one, other = said(1, "我们 水南村"), said(2, "不是 水南村")
    assert [found.id for found, _ in evidence(machine(["水南村"], 2, 1), [one, other])] == [1, 2]
    assert evidence(machine(["水南村"]), [one, other]) == []


def test_when_a_tap_began() -> None:
    call = a_call()
    noted = call.arrived_at + timedelta(seconds=6)
    first, second_one = an_utterance(call, 1, "你好"), an_utterance(call, 2, "停水 了")
    first.at, first.end = noted + timedelta(seconds=3.9), 3.0
    second_one.at, second_one.end = noted + timedelta(seconds=9.6), 9.0
    assert tap_began(call, first, [first, second_one]) == noted + timedelta(seconds=0.6), "as early as both allow"
    call.listening = {"caller": {"state": "on", "model": "demo", "taps": {first.tap_id: noted.isoformat()}}}
    assert tap_began(call, first, [first, second_one]) == noted
