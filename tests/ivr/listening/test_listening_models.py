"""Another model while calls go on, and a model for each language. The other models are copies of the demo model."""

from __future__ import annotations

import argparse
import asyncio
import gc
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

import settings as configuration
from asr_models import commands, switching
from asr_models.catalogue import DEMO_FOLDER
from asr_models.switching import Wish
from ivr.events import ListeningStarted, ListeningUnavailable, Utterance
from ivr.listening import metrics
from tests.asr_models.spoken import LAMPS, SECOND, WATER, noise, say, seconds, silence
from tests.ivr.listening.conftest import House, Opener

ENGLISH = "vosk-model-small-en-us-0.15"


@pytest.fixture(autouse=True)
def a_pause_is_silence_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a model is loaded in the middle of a sentence, which must not look like a carrier that sends nothing."""
    monkeypatch.setattr("ivr.listening.leg._IDLE_SECONDS", 600)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The data folder's models, with one that is as good as the demo model."""
    shutil.copytree(DEMO_FOLDER, tmp_path / "data" / "models" / "other")
    return tmp_path / "data" / "models"


def told(events: list[Any], call_id: str = "call-1") -> list[str]:
    """What was told of a call's listening: the model, or the reason why not."""
    return [
        event.model if isinstance(event, ListeningStarted) else event.reason
        for event in events
        if event.call_id == call_id and isinstance(event, ListeningStarted | ListeningUnavailable)
    ]


def said(events: list[Any], call_id: str = "call-1") -> list[Utterance]:
    return [event for event in events if isinstance(event, Utterance) and event.call_id == call_id]


def legs(language: str, model: str) -> float:
    value: float = metrics.legs_by_model.labels(language, model)._value.get()
    return value


async def heeded(house: House) -> None:
    """Wait until wishes are heard."""
    async with asyncio.timeout(30):
        while not (await house.redis.pubsub_numsub(switching.CHANNEL))[0][1]:
            await asyncio.sleep(0.02)


async def wish(house: House, model: str, language: str = "") -> switching.Answer:
    await heeded(house)
    (answer,), silent = await switching.ask(house.redis, Wish(model=model, language=language), 60)
    assert silent == 0
    return answer


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.02)


async def test_a_call_goes_over_at_its_next_pause(opened: Opener, models: Path) -> None:
    """What is being said is finished by the model that began it; times go on; the old model is freed."""
    async with opened(recogniser=None) as house:
        old = weakref.ref(house.listening._models.usual.recogniser)  # type: ignore[type-var]
        line, _ = await house.tap()
        half = len(say(LAMPS)) // 640 * 320
        line.say(silence(1) + say(LAMPS)[:half])
        await until(lambda: legs("zh", "demo") == 1)
        quiet, _ = await house.tap("agent", "quiet")
        await house.wait_for(lambda e: told(e, "quiet") == ["demo"])

        answer = await wish(house, "other")
        assert (answer.problem, answer.before, answer.model, answer.language) == ("", "demo", "other", "zh")
        assert answer.streams == 2
        # Nothing was said on this one yet, so there is nothing to wait for.
        await house.wait_for(lambda e: told(e, "quiet") == ["demo", "other"] or not told(e, "quiet")[1:])
        assert told(await house.events()) == ["demo"]

        line.say(say(LAMPS)[half:] + silence(2))
        await house.wait_for(lambda e: told(e) == ["demo", "other"])
        line.say(say(WATER) + silence(1.5))
        first, second = await house.wait_for(lambda e: len(said(e)) == 2 and said(e))
        assert (first.text, second.text) == (LAMPS, WATER)
        assert first.start == pytest.approx(1, abs=0.3)
        assert second.start == pytest.approx(3 + seconds(say(LAMPS)), abs=0.3)
        assert (first.number, second.number) == (1, 2)
        quiet.say(say(WATER) + silence(1.5))
        await house.wait_for(lambda e: said(e, "quiet"))
        await until(lambda: legs("zh", "demo") == 0 and legs("zh", "other") == 2)
        assert house.listening.model == "other"
        gc.collect()
        assert old() is None


async def test_a_line_with_steady_noise_goes_over_too(opened: Opener, models: Path) -> None:
    """There the gate never closes: after 20 s the utterance is finished for it."""
    async with opened(gate_aggressiveness=0, max_backlog_seconds=60) as house:
        line, _ = await house.tap()
        sound = noise(10, 8000)
        line.say(sound)
        await house.wait_for(told)
        await wish(house, "other")
        line.say(sound)
        await asyncio.sleep(0.5)
        assert told(await house.events()) == ["demo"]
        line.say(sound + sound)
        await house.wait_for(lambda e: told(e) == ["demo", "other"])


async def test_twice_in_a_row_and_back(opened: Opener, models: Path) -> None:
    async with opened(recogniser=None) as house:
        line, _ = await house.tap()
        line.say(say(WATER)[: len(say(WATER)) // 640 * 320])
        await house.wait_for(told)
        assert (await wish(house, "other")).problem == ""
        back = await wish(house, "auto")
        assert (back.before, back.model) == ("other", "demo")
        line.say(say(WATER)[len(say(WATER)) // 640 * 320 :] + silence(1.5))
        line.say(say(LAMPS) + silence(1.5))
        found = await house.wait_for(lambda e: len(said(e)) == 2 and said(e))
        assert [utterance.text for utterance in found] == [WATER, LAMPS]
        assert house.listening.model == "demo"


@pytest.mark.parametrize("kind", ["damaged", "incomplete", "absent", "path"])
async def test_one_that_cannot_be_used_changes_nothing(kind: str, opened: Opener, models: Path) -> None:
    name, problem = {
        "damaged": ("other", "cannot be used: Vosk"),
        "incomplete": ("other", "its folder lacks graph/HCLG.fst"),
        "absent": ("vosk-model-cn-0.22", "is not installed; install it with: server.py models install"),
        "path": ("../models/other", "is not a model's name"),
    }[kind]
    if kind == "damaged":
        file = models / "other" / "am" / "final.mdl"
        file.write_bytes(file.read_bytes()[:-5000])
    if kind == "incomplete":
        (models / "other" / "graph" / "HCLG.fst").unlink()
    async with opened(recogniser=None) as house:
        line, _ = await house.tap()
        line.say(say(WATER)[:SECOND])
        await house.wait_for(told)
        answer = await wish(house, name)
        assert problem in answer.problem and answer.model == ""
        line.say(say(WATER)[SECOND:] + silence(1.5))
        (utterance,) = await house.wait_for(said)
        assert (utterance.text, told(await house.events())) == (WATER, ["demo"])
        assert (house.listening.model, house.listening.trouble) == ("demo", "")


async def test_what_is_no_wish_is_passed_over(opened: Opener, models: Path, redis: Redis) -> None:
    async with opened(recogniser=None) as house:
        await heeded(house)
        for rubbish in (b"\xff{", b"{}", b'{"model": "other", "language": "../"}'):
            assert await redis.publish(switching.CHANNEL, rubbish) == 1
        assert (await wish(house, "other")).model == "other"


async def test_a_first_model_is_taken_up_without_a_restart(opened: Opener, models: Path) -> None:
    """A tap that nobody heard is closed, so that the bridge asks for it again."""
    async with opened(recogniser=None, model="vosk-model-cn-0.22") as house:
        line, _ = await house.tap()
        assert told(await house.wait_for(lambda e: e)) == ["no_model"]
        assert "没有语音模型" in house.listening.trouble
        assert (await wish(house, "other")).before == ""
        await line.closed()
        assert house.listening.trouble == ""
        again, _ = await house.tap()
        again.say(say(WATER) + silence(1.5))
        (utterance,) = await house.wait_for(said)
        assert utterance.text == WATER


async def test_each_language_has_its_model(opened: Opener, models: Path) -> None:
    (models / "other").rename(models / ENGLISH)
    async with opened(recogniser=None) as house:
        english, _ = await house.tap(call_id="english", language="en_US")
        english.say(say(WATER) + silence(1.5))
        for number, language in enumerate(("zh", "", "zh_CN", "?")):
            line, _ = await house.tap(call_id=f"call-{number}", language=language)
            line.say(say(LAMPS) + silence(1.5))
        await house.wait_for(lambda e: all(said(e, f"call-{number}") for number in range(4)) and said(e, "english"))
        events = await house.events()
        assert told(events, "english") == [ENGLISH]
        assert [told(events, f"call-{number}") for number in range(4)] == [["demo"]] * 4


async def test_a_language_without_a_model_is_not_heard_with_another(opened: Opener, models: Path) -> None:
    async with opened(recogniser=None) as house:
        english, _ = await house.tap(call_id="english", language="en")
        russian, _ = await house.tap(call_id="russian", language="ru")
        chinese, _ = await house.tap(call_id="chinese", language="zh")
        for line in (english, russian, chinese):
            line.say(say(WATER) + silence(1.5))
        await house.wait_for(lambda e: said(e, "chinese") and told(e, "english") and told(e, "russian"))
        events = await house.events()
        assert (told(events, "english"), told(events, "russian")) == (["no_language"], ["no_language"])
        assert {event.call_id for event in events if isinstance(event, Utterance)} == {"chinese"}
        details = {event.call_id: event.detail for event in events if isinstance(event, ListeningUnavailable)}
        assert details["english"].endswith(f"install one with: server.py models install {ENGLISH}")
        assert "the catalogue has none either" in details["russian"]
        # A call in another language is no trouble of the hotline's.
        assert house.listening.trouble == ""

        shutil.copytree(models / "other", models / ENGLISH)
        answer = await wish(house, ENGLISH)
        assert (answer.language, answer.before, answer.streams) == ("en", "", 0)
        await english.closed()
        await house.tap(call_id="english", language="en")
        await house.wait_for(lambda e: told(e, "english") == ["no_language", ENGLISH])
        assert house.listening.model == "demo"
        assert (await wish(house, "other", "en")).before == ENGLISH


async def test_a_model_of_the_wrong_language_is_none(opened: Opener, models: Path) -> None:
    (models / "other").rename(models / ENGLISH)
    async with opened(recogniser=None, model=ENGLISH) as house:
        assert house.listening.model == ""
        assert f"'{ENGLISH}' hears 'en', but calls are in 'zh'" in house.listening.trouble
        line, _ = await house.tap()
        line.say(say(WATER) + silence(1.5))
        await house.wait_for(lambda e: told(e) == ["no_model"])


async def test_the_command(opened: Opener, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    commands.add_actions(parser)

    async def run(redis_url: str, *words: str) -> int:
        settings = configuration.load(configuration.ROOT / "config", tmp_path, {"redis.url": redis_url})
        args = parser.parse_args(["use", *words])
        return int(await asyncio.to_thread(args.handler, args, settings))

    async with opened(recogniser=None) as house:
        await heeded(house)
        url = f"unix://{house.redis.connection_pool.connection_kwargs['path']}"
        assert await run(url, "other") == 0
        out = capsys.readouterr().out
        assert "'other' hears 'zh' from now on ('demo' did until now)" in out
        assert "set listening.model to 'other' in hotline.yaml" in out
        assert await run(url, "nonsense") == 1
        shown = capsys.readouterr()
        assert "nothing has changed: 'nonsense' is not installed" in shown.err and "listening.model" not in shown.out
        assert house.listening.model == "other"
    assert await run(url, "other") == 1
    assert "no recogniser is running" in capsys.readouterr().err
    assert await run("unix:///nonexistent/redis.sock", "other") == 1
    assert "Redis cannot be reached" in capsys.readouterr().err
