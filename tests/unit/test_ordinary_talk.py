"""Ordinary Korean telephone talk, whole detection (rules and shipped model): nothing of it is a finding.

The dialogues (``data/ordinary_ko.txt``) were written for this test and train nothing: deaths in the family, illness,
insurance, games, idioms of dying, worry about somebody, and the words that threats, extortion, control and phishing
share.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from include.forensic import Turn, analyze_text, load_taxonomy
from include.forensic.detect import Passage, detect

KNOWN = {"너 자꾸 놀리면 가만 안 둔다 / 미안 미안 떡볶이 사 줄게": "THREAT.CONDITIONAL.KO.GENERAL"}
"""A false alarm that stays: the first turn alone is the sentence that the rule must find (또 신고하면 가만 안 둬)."""

DIALOGUES = [
    line.strip()
    for line in (Path(__file__).parent / "data" / "ordinary_ko.txt").read_text(encoding="utf-8").splitlines()
    if line.strip() and not line.startswith("#")
]


def found_in(dialogue: str) -> list[str]:
    turns = [Turn(speaker="ab"[at % 2], text=text) for at, text in enumerate(dialogue.split(" / "))]
    return [one.rule_or_model for one in analyze_text(turns).findings]


def test_there_are_many_and_all_differ() -> None:
    assert len(set(DIALOGUES)) == len(DIALOGUES) >= 120


@pytest.mark.parametrize("dialogue", [one for one in DIALOGUES if one not in KNOWN])
def test_ordinary_talk_is_no_finding(dialogue: str) -> None:
    assert found_in(dialogue) == []


@pytest.mark.parametrize(("dialogue", "rule"), KNOWN.items())
def test_a_known_false_alarm_is_still_one(dialogue: str, rule: str) -> None:
    assert found_in(dialogue) == [rule]


@pytest.mark.parametrize(
    "dialogue",
    [
        "너 평생 후회하게 해 줄게 / 왜 그러세요",
        "평생 따라다니면서 괴롭힐 거야 / 제발 그만해요",
        "게임 그만 안 하면 죽여버린다 / 알았어요 아빠",
        "나 그냥 죽고 싶어 / 무슨 일이야",
        "파혼당하고 나니까 살기 싫어져 / 지금 어디야 내가 갈게",
        "너 진짜 쓰레기야 꺼져 / 말이 너무 심하잖아",
    ],
)
def test_what_the_filters_must_not_hide(dialogue: str) -> None:
    """Rules alone: of weak ones (severity 2) the model still says whether what is around them agrees."""
    passages = [Passage("ab"[at % 2], text) for at, text in enumerate(dialogue.split(" / "))]
    assert any(hit.place.passage == 0 for hit in detect(passages, "ko", load_taxonomy()))
