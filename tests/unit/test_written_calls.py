"""The calls to test voice phishing with: well formed, and none of their words in what the shipped model saw."""

from __future__ import annotations

from collections import Counter

from eval.written_calls import OTHER_HANDS, calls
from include.forensic.detect import Passage, examine
from include.forensic.learned import own_examples
from include.forensic.rulebook import load_taxonomy

EVERYTHING = calls() + [call for path in OTHER_HANDS.values() for call in calls(path)]

RUN = 30
"""Syllables in a row that nobody writes twice by chance. The longest run that a call shares with an example has 23
(how to look a case up): the same hand wrote both."""


def _runs(turns: list[str]) -> set[str]:
    said = "".join(letter for turn in turns for letter in turn if "가" <= letter <= "힣")
    return {said[at : at + RUN] for at in range(len(said) - RUN + 1)}


def test_there_are_enough_calls_of_each_kind_in_each_half() -> None:
    counted = Counter((call["id"][0], call["half"], call["phishing"]) for call in EVERYTHING)
    assert len(counted) == 8
    assert min(counted.values()) >= 30
    assert len({call["id"] for call in EVERYTHING}) == len(EVERYTHING)
    assert all(turn.keys() == {"speaker", "text"} and turn["text"] for call in EVERYTHING for turn in call["turns"])


def test_no_call_shares_a_run_of_words_with_the_examples_that_the_model_is_made_of() -> None:
    seen = {run for example in own_examples() for run in _runs(list(example.turns))}
    shared = {call["id"]: _runs([turn["text"] for turn in call["turns"]]) & seen for call in EVERYTHING}
    assert {name: runs for name, runs in shared.items() if runs} == {}


def test_a_call_about_phishing_sets_steps_aside_that_a_caller_would_be_found_by() -> None:
    steps = ["현금으로 전부 찾으세요", "은행 직원이 물어보면 집 수리한다고 하세요"]
    told = [*steps, "이렇게 말하면 백 퍼센트 사기입니다", "저희 어머니도 그런 수법에 당했어요"]
    fired, aside = (examine([Passage("A", text) for text in said], "ko", load_taxonomy()) for said in (steps, told))
    assert {hit.category for hit in fired.hits} >= {"VISHING.CALL"}
    assert not [hit for hit in aside.hits if hit.family == "VISHING"]
    assert {item.filter for item in aside.set_aside} & {"fraud_told", "fraud_warning"}
