"""Words that tell of strong feeling, counted per turn: a small list written for this project, Korean and English.

It serves one purpose: to set how strong the *words* of a turn are beside how strong its *voice* is. It is no sentiment
analysis and was not validated on any data; a turn without such words may be full of feeling.
"""

from __future__ import annotations

import re

__all__ = ["AFFECT_VERSION", "affect_words"]

AFFECT_VERSION = "1"

_KOREAN = (
    "죽여", "죽인", "죽이", "죽고 싶", "씨발", "시발", "개새끼", "새끼야", "지랄", "미친", "꺼져", "닥쳐",
    "병신", "화나", "화가 나", "열받", "열 받", "짜증", "분해", "억울", "무서", "무섭", "두려", "겁나", "살려",
    "도와줘", "도와주세요", "울었", "울고", "슬프", "슬퍼", "서러", "괴로", "미치겠", "지긋지긋", "진절머리",
    "증오", "미워", "역겨", "소름", "가만 안", "가만두지", "가만 두지", "너무 기뻐", "행복해", "사랑해",
    "최고야", "신난",
)  # fmt: skip
_ENGLISH = (
    r"kill\w*", r"hate[sd]?", r"furious", r"angry", r"rage", r"fuck\w*", r"shit\w*", r"bastard\w*", r"bitch\w*",
    r"shut up", r"scared", r"afraid", r"terrified", r"help me", r"please stop", r"crying", r"cried", r"heartbroken",
    r"miserable", r"desperate", r"disgust\w*", r"sick of", r"fed up", r"regret it", r"hurt you", r"so happy",
    r"love you", r"wonderful", r"excited",
)  # fmt: skip
_PATTERN = {
    "ko": re.compile("|".join(re.escape(item).replace(r"\ ", r"\s*") for item in _KOREAN)),
    "en": re.compile(r"\b(?:" + "|".join(_ENGLISH) + r")\b", re.IGNORECASE),
}


def affect_words(text: str, language: str) -> list[str] | None:
    """The words of ``text`` on the list, in order; None for a language without one."""
    pattern = _PATTERN.get(language)
    return None if pattern is None else [match.group(0) for match in pattern.finditer(text)]
