"""The AMI reader and writer: every message split at every byte, limits, garbage, round trips."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.wire.ami import AmiReader, Banner, Message, action
from ivr.wire.errors import LocalProtocolError, ProtocolError, RemoteProtocolError

BANNER = b"Asterisk Call Manager/11.0.0\r\n"

LOGIN = b"Response: Success\r\nActionID: h1\r\nMessage: Authentication accepted\r\n\r\n"

NEWCHANNEL = (
    "Event: Newchannel\r\n"
    "Privilege: call,all\r\n"
    "Channel: PJSIP/carrier-00000007\r\n"
    "ChannelState: 4\r\n"
    "ChannelStateDesc: Ring\r\n"
    "CallerIDNum: 13800138000\r\n"
    "CallerIDName: 王小明\r\n"
    "ConnectedLineNum: <unknown>\r\n"
    "AccountCode: \r\n"
    "Exten: 12345\r\n"
    "Uniqueid: 1732191234.7\r\n"
    "ChanVariable: CALL_ID=7d9b7f2e-26c4-4f9c-a0a6-1f1f9d3b7a10\r\n"
    "ChanVariable: NOTE=a=b: c\r\n"
    "\r\n"
).encode()

COMMAND = (
    b"Response: Success\r\nActionID: h2\r\nMessage: Command output follows\r\n"
    b"Output: Channel              Location\r\nOutput: \r\nOutput: 0 active channels\r\n\r\n"
)

OLD_COMMAND = (
    b"Response: Follows\r\nPrivilege: Command\r\nActionID: h3\r\n"
    b"Channel  Location\nPJSIP/8001-1: talking\n--END COMMAND--\r\n\r\n"
)

STREAM = BANNER + LOGIN + NEWCHANNEL + COMMAND + OLD_COMMAND


def ready(**limits: int) -> AmiReader:
    reader = AmiReader(**limits)
    assert reader.feed(BANNER) == [Banner("11.0.0")]
    return reader


def in_pieces(data: bytes, cuts: list[int]) -> list[Banner | Message]:
    reader = AmiReader()
    places = [0, *sorted(cuts), len(data)]
    return [event for start, end in itertools.pairwise(places) for event in reader.feed(data[start:end])]


def by_lines(data: bytes) -> list[Message]:
    """The same grammar, written as slowly and as plainly as possible, to compare with."""
    messages: list[Message] = []
    headers: list[tuple[str, str]] = []
    *lines, _ = data.split(b"\r\n")
    for line in lines:
        if line:
            text = line.decode("utf-8", "replace")
            name, colon, value = text.partition(":")
            headers.append((name, value.removeprefix(" ")) if colon and "\n" not in name else ("", text))
        elif headers:
            messages.append(Message(tuple(headers)))
            headers = []
    return messages


def test_a_whole_stream() -> None:
    banner, login, newchannel, command, old_command = AmiReader().feed(STREAM)
    assert banner == Banner("11.0.0")
    assert isinstance(login, Message) and isinstance(newchannel, Message)
    assert isinstance(command, Message) and isinstance(old_command, Message)
    assert (login.response, login.action_id, login.event) == ("Success", "h1", "")
    assert (newchannel.event, newchannel.response) == ("Newchannel", "")
    assert newchannel.get("calleridname") == "王小明"
    assert newchannel.get("AccountCode", "none") == ""
    assert newchannel.get("Absent", "none") == "none"
    assert newchannel.variables == {"CALL_ID": "7d9b7f2e-26c4-4f9c-a0a6-1f1f9d3b7a10", "NOTE": "a=b: c"}
    assert command.get_all("output") == ["Channel              Location", "", "0 active channels"]
    assert old_command.headers[-1] == ("", "Channel  Location\nPJSIP/8001-1: talking\n--END COMMAND--")


def test_split_in_two_at_every_byte() -> None:
    for cut in range(len(STREAM) + 1):
        assert in_pieces(STREAM, [cut]) == AmiReader().feed(STREAM), f"cut at byte {cut}"


def test_byte_by_byte_and_with_empty_reads() -> None:
    assert in_pieces(STREAM, [*range(len(STREAM)), *range(len(STREAM))]) == AmiReader().feed(STREAM)


@settings(deadline=None, max_examples=200)
@given(
    pieces=st.lists(
        st.sampled_from([b"\r\n", b"\r", b"\n", b":", b": ", b"Event", b"a", b" ", b"\xe7\x8e\x8b", b"\xe7", b"\x00"]),
        max_size=60,
    ),
    cuts=st.lists(st.integers(0, 200), max_size=8),
)
def test_any_text_is_read_as_the_plain_grammar_says(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    expected = by_lines(data)
    cuts = [len(BANNER) + min(cut, len(data)) for cut in cuts]
    assert in_pieces(BANNER + data, cuts)[1:] == expected


@settings(deadline=None, max_examples=200)
@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=6), after_banner=st.booleans())
def test_garbage_raises_protocol_errors_only(data: bytes, cuts: list[int], after_banner: bool) -> None:
    reader = ready(max_line=64, max_headers=5, max_message=200) if after_banner else AmiReader(max_banner=64)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    try:
        for start, end in itertools.pairwise(places):
            reader.feed(data[start:end])
    except ProtocolError as problem:
        assert isinstance(problem, RemoteProtocolError)


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_what_action_writes_the_reader_reads_back(data: st.DataObject) -> None:
    text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=40)
    names = st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0:"),
        min_size=1,
        max_size=20,
    )
    headers = data.draw(st.lists(st.tuples(names, text), max_size=10))
    (message,) = ready().feed(action("Originate", headers, action_id="h9"))
    assert message == Message((("Action", "Originate"), ("ActionID", "h9"), *headers))


@pytest.mark.parametrize(
    "data",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"220 mail", b"\r\n", b"Asterisk Call Manager/\r\n", b"asterisk call manager/1\r\n"],
)
def test_what_is_not_asterisk_is_refused_at_the_banner(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="AMI"):
        AmiReader().feed(data)


@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_a_banner_that_does_not_end_is_refused(end: bytes) -> None:
    reader = AmiReader(max_banner=64)
    with pytest.raises(RemoteProtocolError, match="longer than 64"):
        reader.feed(b"Asterisk Call Manager/" + b"1" * 100 + end)


def test_limits_are_exact() -> None:
    limits = {"max_line": 20, "max_headers": 3, "max_message": 50}
    assert len(ready(**limits).feed(b"A: " + b"x" * 17 + b"\r\n\r\n")) == 1
    with pytest.raises(RemoteProtocolError, match="line is longer than 20"):
        ready(**limits).feed(b"A: " + b"x" * 18 + b"\r\n\r\n")
    assert len(ready(**limits).feed(b"A: 1\r\n" * 3 + b"\r\n")) == 1
    with pytest.raises(RemoteProtocolError, match="more than 3 headers"):
        ready(**limits).feed(b"A: 1\r\n" * 4 + b"\r\n")
    line = b"A: " + b"x" * 13
    assert len(ready(**limits).feed(b"\r\n".join([line] * 2 + [line[:14]]) + b"\r\n\r\n")) == 1
    with pytest.raises(RemoteProtocolError, match="message is longer than 50"):
        ready(**limits).feed(b"\r\n".join([line] * 2 + [line[:15]]) + b"\r\n\r\n")


@pytest.mark.parametrize("cut", range(50))
def test_limits_do_not_depend_on_where_the_stream_is_split(cut: int) -> None:
    limits = {"max_line": 20, "max_headers": 3, "max_message": 50}
    line = b"A: " + b"x" * 13
    accepted = b"\r\n" + b"\r\n".join([line] * 2 + [line[:14]]) + b"\r\n\r\n"
    reader = ready(**limits)
    assert len(reader.feed(accepted[:cut]) + reader.feed(accepted[cut:])) == 1
    refused = b"\r\n" + b"\r\n".join([line] * 2 + [line[:15]]) + b"\r\n\r\n"
    reader = ready(**limits)
    with pytest.raises(RemoteProtocolError):
        reader.feed(refused[:cut])
        reader.feed(refused[cut:])


@pytest.mark.parametrize(
    ("chunk", "most"),
    [
        (b"x" * 4096, 65536),
        (b"\r" * 4096, 65536),
        (b"Output: a quarter of a line" * 100, 65536),
        (b"A: b\r\n" * 1000, 512 * 6),
        (b"A: " + b"x" * 4091 + b"\r\n", 1024 * 1024),
    ],
)
def test_a_stream_without_end_is_refused_early(chunk: bytes, most: int) -> None:
    reader = ready()
    sent = 0
    with pytest.raises(RemoteProtocolError):
        while sent < 100 * 1024 * 1024:
            reader.feed(chunk)
            sent += len(chunk)
    assert sent <= most + len(chunk)


def test_after_an_error_nothing_more_is_read() -> None:
    reader = ready(max_line=20)
    with pytest.raises(RemoteProtocolError) as first:
        reader.feed(b"x" * 30)
    with pytest.raises(RemoteProtocolError) as second:
        reader.feed(LOGIN)
    assert str(first.value) == str(second.value)


def test_variables_of_other_channels_are_left_out() -> None:
    message = Message(
        (
            ("Event", "DialBegin"),
            ("ChanVariable", "CALL_ID=1"),
            ("chanvariable", "EMPTY="),
            ("ChanVariable", "CALL_ID=2"),
            ("ChanVariable(PJSIP/8001-1)", "CALL_ID=3"),
            ("DestChanVariable", "OTHER=4"),
            ("Variable", "SET=5"),
            ("Variable", "NAMEONLY"),
        )
    )
    assert message.variables == {"CALL_ID": "1", "EMPTY": "", "SET": "5"}


@settings(deadline=None, max_examples=200)
@given(
    lines=st.lists(
        st.lists(
            st.sampled_from(
                ["Event", "event", "eVent", "Variable", "ChanVariable", ":", ": ", "=", "\n", "\r", " ", "王"]
            ),
            min_size=1,
            max_size=6,
        ).map(lambda words: re.sub(r"\r\n+", "\r", "".join(words))),
        min_size=1,
        max_size=8,
    ),
    name=st.sampled_from(["Event", "EVENT", "event", "", ":", "Event:", "Variable", "\n", "王", " Event", "a"]),
)
def test_a_message_from_the_wire_answers_like_one_of_its_headers(lines: list[str], name: str) -> None:
    (read,) = ready().feed("".join(line + "\r\n" for line in lines).encode() + b"\r\n")
    assert isinstance(read, Message)
    got = (read.get(name, "none"), read.get_all(name), read.event, read.variables)
    made = Message(read.headers)
    assert got == (made.get(name, "none"), made.get_all(name), made.event, made.variables)
    assert read == made and hash(read) == hash(made) and repr(read) == repr(made)


def test_a_message_is_a_value() -> None:
    message = Message(headers=(("Event", "Hangup"), ("Channel", "PJSIP/1")))
    assert message == Message((("Event", "Hangup"), ("Channel", "PJSIP/1")))
    assert message != Message((("Event", "Hangup"),)) and message != "Hangup"
    with pytest.raises(AttributeError):
        message.headers = ()  # type: ignore[misc]
    with pytest.raises(AttributeError):
        message.other = 1  # type: ignore[attr-defined]


def test_an_action_in_bytes() -> None:
    data = action("Setvar", [("Variable", "NAME"), ("Value", "王")], action_id="h7")
    assert data == "Action: Setvar\r\nActionID: h7\r\nVariable: NAME\r\nValue: 王\r\n\r\n".encode()


@pytest.mark.parametrize("bad", ["\r", "\n", "\0", "a\r\nAction: Command", "a\nAction: Command"])
@pytest.mark.parametrize("place", ["name", "header", "value", "action_id"])
def test_what_would_end_a_line_early_is_refused_everywhere(bad: str, place: str) -> None:
    words = {"name": "Ping", "header": "Channel", "value": "x", "action_id": "h1"} | {place: bad}
    with pytest.raises(LocalProtocolError):
        action(words["name"], [(words["header"], words["value"])], action_id=words["action_id"])


def test_the_limits_of_an_action_are_those_of_asterisk() -> None:
    value = "x" * (1024 - len("Data: \r\n"))
    assert len(action("Ping", [("Data", value)], action_id="1").split(b"\r\n")[2]) == 1022
    with pytest.raises(LocalProtocolError, match="1025 bytes"):
        action("Ping", [("Data", value + "x")], action_id="1")
    assert action("Ping", [("Variable", "a=b")] * 126, action_id="1").count(b"\r\n") == 129
    with pytest.raises(LocalProtocolError, match="129 lines"):
        action("Ping", [("Variable", "a=b")] * 127, action_id="1")


@pytest.mark.parametrize("header", [("", "x"), ("a:b", "x"), ("Name", "\ud800")])
def test_headers_that_cannot_be_sent(header: tuple[str, str]) -> None:
    with pytest.raises(LocalProtocolError):
        action("Ping", [header], action_id="1")


def test_an_action_needs_a_name_and_an_id() -> None:
    with pytest.raises(LocalProtocolError, match="name"):
        action("", action_id="1")
    with pytest.raises(LocalProtocolError, match="ActionID"):
        action("Ping", action_id="")


def test_a_secret_is_not_told_in_an_error() -> None:
    with pytest.raises(LocalProtocolError) as problem:
        action("Login", [("Secret", "hunter2\n")], action_id="1")
    assert "hunter2" not in str(problem.value)
    assert isinstance(problem.value, ValueError)
