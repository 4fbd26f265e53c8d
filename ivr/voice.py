"""Text spoken by espeak-ng, Mandarin in the one voice that reads it properly, and audio conversion by sox.

Debian 12's voices `cmn` and `zh` read pinyin as English; `cmn-latn-pinyin` does not. Arabic digits are read as one
big number, so they are put into words first. Text goes to espeak-ng on its standard input, never through a shell.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from settings import HotlineError

VOICES = {"zh": "cmn-latn-pinyin", "en": "en-us"}
"""The voice of each language."""

_PACKAGES = {"espeak-ng": "espeak-ng", "sox": "sox"}


class VoiceError(HotlineError):
    """Speech could not be made; the message says which program failed, and how."""


def speak(text: str, target: Path, *, language: str = "zh", words_per_minute: int = 165, pitch: int = 50) -> None:
    """Write `text`, spoken, as a WAV file (mono, 22.05 kHz). Digits in zh are said as `in_words` has them.

    Raises ValueError when there is nothing to say, VoiceError when espeak-ng is missing or fails.
    """
    voice = VOICES[language]
    words = (in_words(text) if language == "zh" else text).strip()
    if not any(character.isalnum() for character in words):
        raise ValueError(f"there is nothing to say in {text!r}")
    command = ["espeak-ng", "-v", voice, "-b", "1", "-s", str(words_per_minute), "-p", str(pitch), "-z"]
    _run([*command, "-w", str(target), "--stdin"], words)
    if not target.exists() or target.stat().st_size <= 44:  # the header of a WAV file
        raise VoiceError(f"espeak-ng said nothing for {text!r}; is the voice {voice} there (espeak-ng --voices)?")


def convert(source: Path | None, target: Path, *, output: tuple[str, ...], effects: tuple[str, ...] = ()) -> None:
    """sox: `source` to `target` in the `output` format, through `effects`. Raises VoiceError.

    Without a source the effects make the sound (synth).

    The target appears whole or not at all.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".sox-") as folder:
        part = Path(folder) / f"part{target.suffix}"
        # -D: no dither, -R: no chance; the same input gives the same file.
        _run(["sox", "-V1", "-D", "-R", "-n" if source is None else str(source), *output, str(part), *effects], None)
        part.chmod(0o644)
        part.replace(target)


def _run(command: list[str], standard_input: str | None) -> None:
    program = command[0]
    try:
        done = subprocess.run(
            command,
            input=None if standard_input is None else standard_input.encode(),
            stdin=subprocess.DEVNULL if standard_input is None else None,
            capture_output=True,
            timeout=60,
            check=False,
        )
    except FileNotFoundError:
        raise VoiceError(
            f"{program} is not installed; 'make setup' brings it (Debian package {_PACKAGES[program]})"
        ) from None
    except OSError as problem:
        raise VoiceError(f"{program} cannot be started: {problem}") from problem
    except subprocess.TimeoutExpired:
        raise VoiceError(f"{program} did not finish within 60 s") from None
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip() or "it gave no reason"
        raise VoiceError(f"{program} failed ({done.returncode}): {words[-500:]}")


# --- numbers ---------------------------------------------------------------------------------------------------------

_PLAIN = "零一二三四五六七八九"
_TELEPHONE = "零幺二三四五六七八九"
_FULL_WIDTH = str.maketrans("０１２３４５６７８９：％．", "0123456789:%.")

# Before these a number is a quantity, however long ("300元"); otherwise three digits and more are a name ("101室").
_QUANTITY = "元块角毛米厘公里平斤吨户人名位次个天万亿千百倍辆台件棵多余"
# 二 becomes 两 before these.
_COUNTED = "个天次点位名户辆台件棵块元条家年周口只袋层套张部小分公米吨斤万千亿"
_ORDINAL_AFTER = "第初"

_CLOCK = re.compile(r"(?<!\d)([01]?\d|2[0-4]):([0-5]\d)(?!\d)")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:-\d+)*")


def in_words(text: str) -> str:
    """Arabic digits as Mandarin says them: 12345 幺二三四五, 300元 三百元, 2个 两个, 8:30 八点三十分."""
    text = text.translate(_FULL_WIDTH)
    text = _CLOCK.sub(lambda m: _clock(int(m[1]), int(m[2])), text)
    text = _PERCENT.sub(lambda m: "百分之" + _decimal(m[1]), text)
    return _NUMBER.sub(
        lambda m: _said(m[0], text[max(m.start() - 1, 0) : m.start()], text[m.end() : m.end() + 1]), text
    )


def _said(number: str, before: str, after: str) -> str:
    if "-" in number:  # 0898-88835005
        return "".join(_TELEPHONE[int(c)] for c in number if c.isdecimal())
    if "." in number:
        return _decimal(number)
    if after == "年" and len(number) == 4:
        return "".join(_PLAIN[int(c)] for c in number)
    quantity = bool(after) and after in _QUANTITY
    if (len(number) >= 3 and not quantity) or number.startswith("0") or len(number) > 8:
        return "".join(_TELEPHONE[int(c)] for c in number)
    if number == "2" and after and after in _COUNTED and before not in tuple(_ORDINAL_AFTER):
        return "两"
    return _cardinal(int(number))


def _clock(hours: int, minutes: int) -> str:
    said = ("两" if hours == 2 else _cardinal(hours)) + "点"
    if minutes == 0:
        return said
    return said + ("零" if minutes < 10 else "") + _cardinal(minutes) + "分"


def _decimal(number: str) -> str:
    whole, _, rest = number.partition(".")
    said = _cardinal(int(whole)) if len(whole) <= 8 else "".join(_PLAIN[int(c)] for c in whole)
    return said + ("点" + "".join(_PLAIN[int(c)] for c in rest) if rest else "")


def _cardinal(number: int) -> str:
    """0 to 99 999 999."""
    if number >= 10000:
        high, low = divmod(number, 10000)
        gap = "零" if 0 < low < 1000 else ""
        return _cardinal(high) + "万" + gap + (_cardinal_below(low) if low else "")
    said = _cardinal_below(number)
    return said.removeprefix("一") if said.startswith("一十") else said


def _cardinal_below(number: int) -> str:
    if number < 10:
        return _PLAIN[number]
    for unit, name in ((1000, "千"), (100, "百"), (10, "十")):
        if number >= unit:
            head, rest = divmod(number, unit)
            said = _PLAIN[head] + name
            if rest == 0:
                return said
            return said + ("零" if rest * 10 < unit else "") + _cardinal_below(rest)
    raise AssertionError(number)
