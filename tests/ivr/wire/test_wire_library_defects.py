"""What asterisk-ami 0.1.7, pyst2 0.5.1 and panoramisk 1.4 get wrong on the wire (each was reproduced), done right.

The defects that are of their sockets and threads, not of the wire, are tested where our sockets are.
"""

from __future__ import annotations

import threading

import pytest

from ivr.wire.agi import AgiReader, Environment, Hangup, Reply, command
from ivr.wire.ami import AmiReader, Message, action
from ivr.wire.errors import LocalProtocolError

BANNER = b"Asterisk Call Manager/11.0.0\r\n"
ENVIRONMENT = b"agi_request: agi://127.0.0.1/welcome\n\n"


def messages(data: bytes) -> list[Message]:
    return [event for event in AmiReader().feed(BANNER + data) if isinstance(event, Message)]


@pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r"])
def test_asterisk_ami_lets_a_value_start_a_second_action(line_end: str) -> None:
    with pytest.raises(LocalProtocolError):
        action(
            "Originate",
            [("CallerID", f"a{line_end}{line_end}Action: Command{line_end}Command: core stop now")],
            action_id="1",
        )


@pytest.mark.parametrize(
    "separator", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\n", "\r"]
)
def test_asterisk_ami_lets_a_callers_name_forge_headers(separator: str) -> None:
    name = f"Wang{separator}Event: Hangup{separator}Channel: PJSIP/other"
    (message,) = messages(f"Event: Newchannel\r\nCallerIDName: {name}\r\nChannel: PJSIP/own\r\n\r\n".encode())
    assert message.headers == (("Event", "Newchannel"), ("CallerIDName", name), ("Channel", "PJSIP/own"))


@pytest.mark.parametrize("name", ["ChanVariable", "Variable", "Output"])
def test_asterisk_ami_keeps_only_the_last_of_repeated_headers(name: str) -> None:
    (message,) = messages(f"Event: X\r\n{name}: A=1\r\n{name}: B=2\r\n{name}: C=3\r\n\r\n".encode())
    assert message.get_all(name) == ["A=1", "B=2", "C=3"]
    assert message.get(name) == "A=1"


def test_pyst2_leaks_headers_from_one_action_into_the_next() -> None:
    action("Setvar", [("Channel", "PJSIP/1"), ("Variable", "SECRET")], action_id="1")
    assert action("Ping", action_id="2") == b"Action: Ping\r\nActionID: 2\r\n\r\n"
    headers = [("Channel", "PJSIP/1")]
    action("Hangup", headers, action_id="3")
    assert headers == [("Channel", "PJSIP/1")]


def test_pyst2_stops_reading_for_ever_at_the_first_channel_variable() -> None:
    first, second = messages(
        b"Event: Newstate\r\nChanVariable: CALL_ID=1\r\nChanVariable: odd\r\n\r\nEvent: Hangup\r\nCause: 16\r\n\r\n"
    )
    assert first.variables == {"CALL_ID": "1"}
    assert second.event == "Hangup"


def test_pyst2_does_not_survive_an_inline_hangup() -> None:
    reader = AgiReader()
    reader.feed(ENVIRONMENT)
    assert reader.feed(b"HANGUP\n") == [Hangup()]
    assert reader.feed(b"200 result=-1\n") == [Reply(200, "-1", "")]


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ('x" "y', 'x\\" \\"y'),
        ('x\\" "y', 'x\\\\\\" \\"y'),
        ("x\\", "x\\\\"),
        ('"', '\\"'),
    ],
)
def test_pyst2_lets_an_argument_become_two(text: str, sent: str) -> None:
    assert command("SET VARIABLE", "NAME", text).decode() == f'SET VARIABLE "NAME" "{sent}"\n'


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"])
def test_pyst2_lets_an_argument_start_a_second_command(line_end: str) -> None:
    with pytest.raises(LocalProtocolError):
        command("VERBOSE", f"Wang{line_end}EXEC System reboot")


def test_pyst2_works_in_the_main_thread_only() -> None:
    events: list[Environment | Reply | Hangup] = []
    thread = threading.Thread(target=lambda: events.extend(AgiReader().feed(ENVIRONMENT + b"HANGUP\n")))
    thread.start()
    thread.join(5)
    assert events == [Environment({"request": "agi://127.0.0.1/welcome"}), Hangup()]


def test_panoramisk_loses_characters_that_are_split_over_two_reads() -> None:
    data = "Event: Newchannel\r\nCallerIDName: 海南省三亚市崖州区\r\n\r\n".encode()
    for cut in range(len(data) + 1):
        reader = AmiReader()
        reader.feed(BANNER)
        (message,) = reader.feed(data[:cut]) + reader.feed(data[cut:])
        assert isinstance(message, Message)
        assert message.get("CallerIDName") == "海南省三亚市崖州区"


def test_panoramisk_loses_characters_of_an_environment_that_is_split_over_two_reads() -> None:
    data = "agi_calleridname: 海南省三亚市崖州区\n\n".encode()
    for cut in range(len(data) + 1):
        reader = AgiReader()
        assert reader.feed(data[:cut]) + reader.feed(data[cut:]) == [
            Environment({"calleridname": "海南省三亚市崖州区"})
        ]


@pytest.mark.parametrize("place", range(5))
def test_panoramisk_shifts_every_reply_after_an_inline_hangup(place: int) -> None:
    lines = [f"200 result={number}\n".encode() for number in range(4)]
    lines.insert(place, b"HANGUP\n")
    reader = AgiReader()
    reader.feed(ENVIRONMENT)
    events = reader.feed(b"".join(lines))
    assert [event.result for event in events if isinstance(event, Reply)] == ["0", "1", "2", "3"]
    assert events[place] == Hangup()


def test_panoramisk_raises_on_the_answer_to_a_transfer_and_drops_the_link() -> None:
    answer, event = messages(
        b"Response: Success\r\nActionID: 7\r\nMessage: Atxfer successfully queued\r\n\r\n"
        b"Event: AttendedTransfer\r\nResult: Success\r\nOrigTransfererChannel: PJSIP/8001-1\r\n\r\n"
    )
    assert (answer.response, answer.event, answer.action_id, answer.get("Async")) == ("Success", "", "7", "")
    assert (event.response, event.event, event.action_id) == ("", "AttendedTransfer", "")


def test_broken_utf8_in_a_name_costs_that_name_only() -> None:
    (message,) = messages(b"Event: Newchannel\r\nCallerIDName: \xcd\xf5\xe7\r\nChannel: PJSIP/own\r\n\r\n")
    assert "\ufffd" in message.get("CallerIDName")
    assert message.get("Channel") == "PJSIP/own"
