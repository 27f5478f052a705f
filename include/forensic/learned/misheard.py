"""Words as a recogniser might have misheard them: what the detector is shown beside examples as they were written.

Recordings reach the detector through a speech recogniser that gets every tenth syllable or so wrong, and written
examples don't. Here syllables are put wrong the way ears put them wrong: by the sounds that Korean phonetics calls
confusable (lax, tense and aspirated stops; ㅐ and ㅔ, ㅓ and ㅗ, ㅡ and ㅜ; nasals and unreleased stops at the end of a
syllable; Shin, Kiaer and Cha, *The Sounds of Korean*, 2013), by syllables left out or doubled, and by spaces left out.
Words in other letters stay. Nothing of anybody's data is in it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

__all__ = ["RATES", "misheard"]

RATES = (0.04, 0.08, 0.16)
"""Share of syllables that go wrong; one is drawn for each example: good lines, ordinary ones, bad ones."""

_FIRST = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_MIDDLE = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_LAST = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"

_ALIKE = (
    ("ㄱㄲㅋ", "ㄷㄸㅌ", "ㅂㅃㅍ", "ㅈㅉㅊ", "ㅅㅆ", "ㄴㄹㄷ", "ㅁㅂㄴ", "ㅇㅎ"),
    ("ㅐㅔㅖㅒ", "ㅓㅗㅏ", "ㅡㅜㅓ", "ㅚㅙㅞㅐ", "ㅢㅣㅡ", "ㅕㅛㅑㅓ", "ㅠㅜㅛ", "ㅟㅣ", "ㅘㅏ", "ㅝㅓㅗ"),
    (" ㄴㄹㅇ", "ㄴㅇㅁ", "ㄱㄷㅂㅅ ", "ㅆㅅㄷ", "ㄹㄴ ", "ㅂㅍㅁ", "ㅄㅂ", "ㄶㄴ", "ㅀㄹ", "ㅎ "),
)  # fmt: skip
_PARTS = (_FIRST, _MIDDLE, _LAST)


def misheard(turns: Sequence[str], draw: random.Random) -> tuple[str, ...]:
    """The turns with some of their sounds wrong; none becomes empty.

    Args:
        turns: what was said.
        draw: the same state gives the same errors.
    """
    rate = draw.choice(RATES)
    return tuple(_turn(turn, rate, draw) for turn in turns)


def _turn(text: str, rate: float, draw: random.Random) -> str:
    heard = ""
    for word in text.split():
        korean = any("가" <= character <= "힣" for character in word)
        close = korean and draw.random() < rate
        heard += ("" if close else " ") + _word(word, rate, draw)
    heard = " ".join(heard.split())
    return heard if any(character.isalnum() for character in heard) else text


def _word(word: str, rate: float, draw: random.Random) -> str:
    return "".join(_syllable(one, draw) if draw.random() < rate and "가" <= one <= "힣" else one for one in word)


def _syllable(one: str, draw: random.Random) -> str:
    """Seven of ten are another syllable of like sound, two are left out, one is heard twice."""
    way = draw.random()
    if way < 0.2:
        return ""
    if way < 0.3:
        return one + one
    code = ord(one) - 0xAC00
    places = [code // 588, code % 588 // 28, code % 28]
    for part in draw.sample(range(3), k=draw.choice((1, 1, 2))):
        places[part] = _like(part, places[part], draw)
    return chr(0xAC00 + places[0] * 588 + places[1] * 28 + places[2])


def _like(part: int, place: int, draw: random.Random) -> int:
    sound = _PARTS[part][place]
    others = [other for family in _ALIKE[part] if sound in family for other in family if other != sound]
    return _PARTS[part].index(draw.choice(others)) if others else place
