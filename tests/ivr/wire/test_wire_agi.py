"""The FastAGI reader and the command writer: every message split at every byte, limits, garbage, round trips."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.wire.agi import AgiReader, Environment, Hangup, Reply, command
from ivr.wire.errors import LocalProtocolError, RemoteProtocolError

ENVIRONMENT = (
    "agi_network: yes\n"
    "agi_network_script: welcome?x=1\n"
    "agi_request: agi://127.0.0.1:4573/welcome?x=1\n"
    "agi_channel: PJSIP/carrier-00000001\n"
    "agi_language: zh\n"
    "agi_uniqueid: 1732191234.1\n"
    "agi_callerid: 13800138000\n"
    "agi_calleridname: 王小明: \u2028\u0085 a\n"
    "agi_accountcode: \n"
    "agi_enhanced: 0.0\n"
    "agi_arg_1: first\n"
    "agi_arg_2: \n"
    "agi_arg_3: third one\n"
    "\n"
).encode()

REPLIES = (
    "200 result=0\n"
    "200 result=1 (timeout) endpos=123\n"
    "HANGUP\n"
    "100 result=0 Trying...\n"
    "200 result=1 (张三)\n"
    "200 result=1 (first line\nsecond line\n)\n"
    "510 Invalid or unknown command\n"
    "511 Command Not Permitted on a dead channel or intercept routine\n"
    "520 Invalid command syntax.  Proper usage not available.\n"
    "520-Invalid command syntax.  Proper usage follows:\n"
    "Usage: SAY NUMBER\n\n\t200 result=1 (not a reply)\n"
    "520 End of proper usage.\n"
    "520-Invalid command syntax.  Proper usage follows:\n"
    "A usage that has no line end520 End of proper usage.\n"
    "503 result=-2 Memory allocation failure\n"
    "200 result=-1\n"
).encode()

EXPECTED = [
    Reply(200, "0", ""),
    Reply(200, "1", "(timeout) endpos=123"),
    Hangup(),
    Reply(100, "0", "Trying..."),
    Reply(200, "1", "(张三)"),
    Reply(200, "1", "(first line\nsecond line\n)"),
    Reply(510, "", "Invalid or unknown command"),
    Reply(511, "", "Command Not Permitted on a dead channel or intercept routine"),
    Reply(520, "", "Invalid command syntax.  Proper usage not available."),
    Reply(
        520,
        "",
        "Invalid command syntax.  Proper usage follows:\n"
        "Usage: SAY NUMBER\n\n\t200 result=1 (not a reply)\n"
        "520 End of proper usage.",
    ),
    Reply(
        520,
        "",
        "Invalid command syntax.  Proper usage follows:\nA usage that has no line end520 End of proper usage.",
    ),
    Reply(503, "-2", "Memory allocation failure"),
    Reply(200, "-1", ""),
]

STREAM = ENVIRONMENT + REPLIES


def ready(**limits: int) -> AgiReader:
    reader = AgiReader(**limits)
    assert reader.feed(b"agi_request: x\n\n") == [Environment({"request": "x"})]
    return reader


def in_pieces(data: bytes, cuts: list[int]) -> list[Environment | Reply | Hangup]:
    reader = AgiReader()
    places = [0, *sorted(cuts), len(data)]
    return [event for start, end in itertools.pairwise(places) for event in reader.feed(data[start:end])]


def words_of(line: bytes) -> list[str]:
    """What Asterisk's parse_args() makes of a command line: words, quotes that group, backslash that escapes."""
    words: list[str] = []
    inside = escaped = False
    between = True
    for character in line.decode().removesuffix("\n"):
        if character == '"' and not escaped:
            inside = not inside
            if inside and between:
                words.append("")
                between = False
        elif character in " \t" and not inside and not escaped:
            between = True
        elif character == "\\" and not escaped:
            escaped = True
            continue
        else:
            if between:
                words.append("")
                between = False
            words[-1] += character
        escaped = False
    return words


def test_the_environment() -> None:
    (environment,) = AgiReader().feed(ENVIRONMENT)
    assert isinstance(environment, Environment)
    assert environment.values["network_script"] == "welcome?x=1"
    assert environment.values["request"] == "agi://127.0.0.1:4573/welcome?x=1"
    assert environment.values["calleridname"] == "王小明: \u2028\u0085 a"
    assert environment.values["accountcode"] == ""
    assert environment.arguments == ["first", "", "third one"]


def test_all_kinds_of_replies() -> None:
    events = AgiReader().feed(STREAM)[1:]
    assert events == EXPECTED
    assert [event.ok for event in events if isinstance(event, Reply)].count(True) == 5


def test_split_in_two_at_every_byte() -> None:
    for cut in range(len(STREAM) + 1):
        assert in_pieces(STREAM, [cut])[1:] == EXPECTED, f"cut at byte {cut}"


def test_byte_by_byte_and_with_empty_reads() -> None:
    assert in_pieces(STREAM, [*range(len(STREAM)), *range(len(STREAM))])[1:] == EXPECTED


@settings(deadline=None, max_examples=200)
@given(
    data=st.one_of(
        st.binary(max_size=300),
        st.lists(
            st.sampled_from(
                [b"\n", b"HANGUP", b"200 ", b"200 result=", b"520-", b"520 ", b"(", b")", b"1", b" ", b"\xe7"]
            ),
            max_size=40,
        ).map(b"".join),
    ),
    cuts=st.lists(st.integers(0, 300), max_size=6),
    after_environment=st.booleans(),
)
def test_garbage_raises_protocol_errors_only_and_the_same_however_split(
    data: bytes, cuts: list[int], after_environment: bool
) -> None:
    def read(places: list[int]) -> tuple[list[Environment | Reply | Hangup], str]:
        reader = ready(max_line=64, max_environment_lines=5) if after_environment else AgiReader(max_line=64)
        events: list[Environment | Reply | Hangup] = []
        try:
            for start, end in itertools.pairwise(places):
                events += reader.feed(data[start:end])
        except RemoteProtocolError as problem:
            return events, str(problem)
        return events, ""

    cuts = sorted(min(cut, len(data)) for cut in cuts)
    events, problem = read([0, *cuts, len(data)])
    whole_events, whole_problem = read([0, len(data)])
    bytewise_events, bytewise_problem = read(list(range(len(data) + 1)))
    assert problem == bytewise_problem == whole_problem
    if not problem:
        assert events == bytewise_events == whole_events


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"agi_request\n", b"\n", b"callerid: 1\n"])
def test_what_is_not_an_environment_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="environment"):
        AgiReader().feed(data)


@pytest.mark.parametrize(
    "data", [b"\n", b"200\n", b"200 OK\n", b"2x0 result=1\n", b"20\n", b"hangup\n", b"HANGUP \n", b"200\tresult=1\n"]
)
def test_what_is_not_a_reply_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="reply"):
        ready().feed(data)


def test_limits_are_exact() -> None:
    assert len(ready(max_line=40).feed(b"200 result=1 (" + b"x" * 25 + b")\n")) == 1
    with pytest.raises(RemoteProtocolError, match="longer than 40"):
        ready(max_line=40).feed(b"200 result=1 (" + b"x" * 26 + b")\n")
    lines = b"agi_a: 1\n" * 5
    assert len(AgiReader(max_environment_lines=5).feed(lines + b"\n")) == 1
    with pytest.raises(RemoteProtocolError, match="more than 5 lines"):
        AgiReader(max_environment_lines=5).feed(lines + b"agi_b: 1\n")
    with pytest.raises(RemoteProtocolError, match="a reply has more than 5 lines"):
        ready(max_environment_lines=5).feed(b"520-usage\n" + b"text\n" * 5)


@pytest.mark.parametrize(
    ("before", "chunk", "most"),
    [
        (b"", b"x" * 4096, 16384),
        (b"", b"agi_a: 1\n" * 100, 200 * 9),
        (b"agi_a: 1\n\n", b"2" * 4096, 16384),
        (b"agi_a: 1\n\n520-", b"usage\n" * 100, 200 * 6),
        (b"agi_a: 1\n\n200 result=1 (", b"value\n" * 100, 200 * 6),
    ],
)
def test_a_stream_without_end_is_refused_early(before: bytes, chunk: bytes, most: int) -> None:
    reader = AgiReader()
    reader.feed(before)
    sent = 0
    with pytest.raises(RemoteProtocolError):
        while sent < 100 * 1024 * 1024:
            reader.feed(chunk)
            sent += len(chunk)
    assert sent <= most + len(chunk)


def test_after_an_error_nothing_more_is_read() -> None:
    reader = ready()
    with pytest.raises(RemoteProtocolError) as first:
        reader.feed(b"nonsense\n")
    with pytest.raises(RemoteProtocolError) as second:
        reader.feed(b"200 result=0\n")
    assert str(first.value) == str(second.value)


def test_of_two_environment_lines_the_first_holds() -> None:
    (environment,) = AgiReader().feed(b"agi_network_script: welcome\nagi_network_script: other\n\n")
    assert isinstance(environment, Environment) and environment.values == {"network_script": "welcome"}


def test_a_command_in_bytes() -> None:
    assert command("ANSWER") == b"ANSWER\n"
    assert command("STREAM FILE", "welcome", "", "0") == b'STREAM FILE "welcome" "" "0"\n'
    assert command("SET VARIABLE", "NAME", 'a"b\\c 王') == 'SET VARIABLE "NAME" "a\\"b\\\\c 王"\n'.encode()


@settings(deadline=None, max_examples=200)
@given(
    arguments=st.lists(
        st.text(st.one_of(st.sampled_from('"\\ $'), st.characters(exclude_categories=["Cs"], min_codepoint=32))),
        max_size=8,
    )
)
def test_asterisk_takes_each_argument_as_it_was_given(arguments: list[str]) -> None:
    assert words_of(command("EXEC", *arguments)) == ["EXEC", *arguments]


@pytest.mark.parametrize("code", range(32))
def test_control_characters_are_refused(code: int) -> None:
    with pytest.raises(LocalProtocolError, match="an argument of EXEC holds a control"):
        command("EXEC", "NoOp", f"a{chr(code)}b")
    with pytest.raises(LocalProtocolError):
        command(f"ANSWER{chr(code)}")


@pytest.mark.parametrize("verb", ["", " ", "ANSWER ", "SAY  DIGITS", 'EXEC "x"', "EXEC\\", "应答"])
def test_a_command_that_is_none(verb: str) -> None:
    with pytest.raises(LocalProtocolError, match="a command is"):
        command(verb)


def test_no_command_at_all() -> None:
    with pytest.raises(LocalProtocolError, match="a command is"):
        command()


def test_the_limits_of_a_command_are_those_of_asterisk() -> None:
    text = "x" * (8191 - len('EXEC "NoOp" ""\n'))
    assert len(command("EXEC", "NoOp", text)) == 8191
    with pytest.raises(LocalProtocolError, match="8192 bytes"):
        command("EXEC", "NoOp", text + "x")
    with pytest.raises(LocalProtocolError, match="8192 bytes"):
        command("EXEC", "NoOp", '"' + text[:-1])
    assert len(words_of(command("SAY DIGITS", *["1"] * 125))) == 127
    with pytest.raises(LocalProtocolError, match="127"):
        command("SAY DIGITS", *["1"] * 126)


def test_a_lone_surrogate_is_not_text() -> None:
    with pytest.raises(LocalProtocolError, match="surrogate"):
        command("NOOP", "\udc80")
