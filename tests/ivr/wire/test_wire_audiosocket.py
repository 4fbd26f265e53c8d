"""The AudioSocket reader and writer: every frame split at every byte, limits, garbage, round trips."""

from __future__ import annotations

import itertools
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.wire.audiosocket import RATES, Audio, AudioReader, Dtmf, Failed, HangUp, Kind, Uuid, audio, hangup
from ivr.wire.errors import LocalProtocolError, RemoteProtocolError

TAP = uuid.UUID("7d9b7f2e-26c4-4f9c-a0a6-1f1f9d3b7a10")
FIRST = b"\x01\x00\x10" + TAP.bytes
SPEECH = bytes(range(256)) + bytes(64)

STREAM = (
    FIRST
    + b"\x10\x01\x40"
    + SPEECH
    + b"\x03\x00\x015"
    + b"\x12\x00\x04\x01\x02\x03\x04"
    + b"\x10\x00\x00"
    + b"\xff\x00\x01\x02"
    + b"\xff\x00\x00"
    + b"\x00\x00\x00"
)

EXPECTED = [
    Uuid(TAP),
    Audio(8000, SPEECH),
    Dtmf("5"),
    Audio(16000, b"\x01\x02\x03\x04"),
    Audio(8000, b""),
    Failed(2),
    Failed(0),
    HangUp(),
]

Frames = list[Uuid | Audio | Dtmf | HangUp | Failed]


def ready(**limits: int) -> AudioReader:
    reader = AudioReader(**limits)
    assert reader.feed(FIRST) == [Uuid(TAP)]
    return reader


def in_pieces(data: bytes, cuts: list[int]) -> Frames:
    reader = AudioReader()
    places = [0, *sorted(cuts), len(data)]
    return [frame for start, end in itertools.pairwise(places) for frame in reader.feed(data[start:end])]


def test_split_in_two_at_every_byte() -> None:
    for cut in range(len(STREAM) + 1):
        assert in_pieces(STREAM, [cut]) == EXPECTED, f"cut at byte {cut}"


def test_byte_by_byte_and_with_empty_reads() -> None:
    assert in_pieces(STREAM, [*range(len(STREAM)), *range(len(STREAM))]) == EXPECTED


@pytest.mark.parametrize(("kind", "rate"), list(RATES.items()))
def test_each_rate_there_and_back(kind: int, rate: int) -> None:
    frame = audio(SPEECH, rate)
    assert frame[0] == kind
    assert ready().feed(frame) == [Audio(rate, SPEECH)]


@settings(deadline=None, max_examples=100)
@given(
    frames=st.lists(
        st.tuples(st.binary(max_size=400).map(lambda b: b[: len(b) & ~1]), st.sampled_from([*RATES.values()]))
    ),
    cuts=st.lists(st.integers(0, 5000), max_size=8),
)
def test_what_is_written_is_read_back(frames: list[tuple[bytes, int]], cuts: list[int]) -> None:
    data = FIRST + b"".join(audio(speech, rate) for speech, rate in frames) + hangup()
    events = in_pieces(data, [min(cut, len(data)) for cut in cuts])
    assert events == [Uuid(TAP), *(Audio(rate, speech) for speech, rate in frames), HangUp()]


@settings(deadline=None, max_examples=200)
@given(
    data=st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.tuples(st.sampled_from([*Kind]), st.binary(max_size=5)).map(
                lambda frame: bytes((frame[0], 0, len(frame[1]))) + frame[1]
            ),
            max_size=20,
        ).map(b"".join),
    ),
    cuts=st.lists(st.integers(0, 200), max_size=6),
    after_uuid=st.booleans(),
)
def test_garbage_raises_protocol_errors_only_and_the_same_however_split(
    data: bytes, cuts: list[int], after_uuid: bool
) -> None:
    def read(places: list[int]) -> tuple[Frames, str]:
        reader = ready() if after_uuid else AudioReader()
        frames: Frames = []
        try:
            for start, end in itertools.pairwise(places):
                frames += reader.feed(data[start:end])
        except RemoteProtocolError as problem:
            return frames, str(problem)
        return frames, ""

    frames, problem = read([0, *sorted(min(cut, len(data)) for cut in cuts), len(data)])
    whole_frames, whole_problem = read([0, len(data)])
    assert problem == whole_problem
    if not problem:
        assert frames == whole_frames


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x10\x01\x40" + SPEECH, "first frame must be the UUID"),
        (b"GET / HTTP/1.1\r\n", "first frame must be the UUID"),
        (b"\x01\x00\x0f" + bytes(15), "a UUID has 16"),
        (FIRST + FIRST, "a second UUID"),
        (FIRST + b"\x10\x00\x03abc", "samples are of two bytes"),
        (FIRST + b"\x02\x00\x00", "unknown kind, 0x02"),
        (FIRST + b"\x19\x00\x00", "unknown kind, 0x19"),
        (FIRST + b"\x03\x00\x0212", "one digit"),
        (FIRST + b"\x03\x00\x01x", "not a digit"),
        (FIRST + b"\xff\x00\x02ab", "one byte"),
    ],
)
def test_what_is_refused(data: bytes, words: str) -> None:
    reader = AudioReader()
    with pytest.raises(RemoteProtocolError, match=words):
        reader.feed(data)
    with pytest.raises(RemoteProtocolError, match=words):
        reader.feed(FIRST)


def test_a_payload_over_the_limit_is_refused_before_it_arrives() -> None:
    assert ready(max_payload=320).feed(b"\x10\x01\x40" + SPEECH) == [Audio(8000, SPEECH)]
    with pytest.raises(RemoteProtocolError, match="322 bytes of payload, more than 320"):
        ready(max_payload=320).feed(b"\x10\x01\x42")


def test_no_more_than_one_unfinished_frame_is_held() -> None:
    reader = ready()
    assert reader.feed(b"\x10\xff\xfe") == []
    for _ in range(65534 // 2 - 1):
        assert reader.feed(b"\x01\x02") == []
    assert len(reader._buffer) == 3 + 65534 - 2
    assert reader.feed(b"\x01\x02\x10\x01") == [Audio(8000, b"\x01\x02" * (65534 // 2))]
    assert bytes(reader._buffer) == b"\x10\x01"


def test_after_hangup_nothing_is_read() -> None:
    reader = ready()
    assert reader.feed(hangup() + b"\x77whatever") == [HangUp()]
    assert reader.feed(b"\x77whatever") == []


@pytest.mark.parametrize(
    ("data", "rate", "words"),
    [(b"abc", 8000, "two bytes"), (bytes(65536), 8000, "holds 65534"), (b"", 11025, "11025 samples per second")],
)
def test_audio_that_cannot_be_sent(data: bytes, rate: int, words: str) -> None:
    with pytest.raises(LocalProtocolError, match=words):
        audio(data, rate)


def test_the_longest_frame() -> None:
    assert ready().feed(audio(bytes(65534))) == [Audio(8000, bytes(65534))]
