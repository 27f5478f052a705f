"""Errors like a recogniser's: those that training makes, and those that the evaluation counts and repeats."""

from __future__ import annotations

import random

import pytest
from rapidfuzz.distance import Levenshtein

from eval.misheard import Errors, heard
from include.forensic.learned.corpus import HARMLESS, Example
from include.forensic.learned.misheard import misheard
from include.forensic.learned.training import MISHEARD, shown

SAID = (
    "네 저희가 얼마 전에 금융범죄 사기단을 검거를 했는데요",
    "현장에서 통장이 나왔습니다",
    "어",
    "I told you already what happens",
)


def test_the_same_draw_mishears_the_same_and_another_something_else() -> None:
    made = [misheard(SAID, random.Random(seed)) for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


def test_most_of_what_was_said_stays_and_no_turn_is_lost() -> None:
    draw = random.Random(3)
    made = [misheard(SAID, draw) for _ in range(300)]
    wrong = sum(Levenshtein.distance(a, b) for turns in made for a, b in zip(SAID, turns, strict=True))
    assert 0.03 < wrong / (300 * sum(map(len, SAID))) < 0.15
    assert all(len(turns) == len(SAID) and all(any(c.isalnum() for c in turn) for turn in turns) for turns in made)


def test_a_syllable_becomes_one_of_like_sound() -> None:
    draw = random.Random(4)
    made = {misheard(("다",), draw)[0] for _ in range(3000)}
    assert {"따", "타"} <= made
    assert not made & {"시", "우", "코"}


def test_words_of_latin_letters_keep_their_spaces() -> None:
    draw = random.Random(5)
    assert all(len(misheard(SAID[3:], draw)[0].split()) >= 3 for _ in range(300))


def test_each_example_is_shown_as_it_might_be_misheard_with_less_weight() -> None:
    harmful = Example(("THREAT",), "ko.a.1", ("너 그러다가 다친다 조심해라", "왜 그러세요 무섭게"))
    items = [item for item in shown([harmful], [0]) if item.label != HARMLESS]
    assert [item.weight for item in items].count(MISHEARD) >= 1


def test_errors_are_made_as_they_were_counted() -> None:
    errors = Errors([("가나다라마바사아자차", "가나따라마바사아자차"), ("가나다", "전혀다른문장")])
    assert errors.blocks == [(1, 1)]
    assert errors.rate == errors.cer == pytest.approx(0.1)
    assert errors.heard("다다다, 다다!", random.Random(1), scale=10).replace(" ", "") == "따따따따따"
    assert errors.heard("나나나 나나", random.Random(1), scale=0) == "나나나 나나"


def test_a_call_is_heard_alike_each_time_and_as_written_at_scale_zero() -> None:
    errors = Errors([("가나다라마바사아자차", "가나따라바사아자카차")])
    call = {"id": "a", "turns": [{"speaker": "A", "text": "다 들어 보시면 아십니다, 사장님"}]}
    assert heard(call, errors, 0) is call
    assert heard(call, errors, 3) == heard(call, errors, 3) != call
