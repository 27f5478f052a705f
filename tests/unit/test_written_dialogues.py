"""The dialogues to test all groups with: well formed, and none of their words in what the shipped model saw."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import pytest

from eval.written_calls import calls
from eval.written_dialogues import DIALOGUES, measured
from include.forensic.learned import GROUPS, LanguageModel, own_examples

SYLLABLES, WORDS = 30, 13
"""In a row: what nobody writes twice by chance ("hang up and ring the number on the back of your card" is said so)."""


def _runs(turns: Sequence[str], language: str) -> set[str]:
    said = " ".join(turns)
    if language == "ko":
        letters = "".join(letter for letter in said if "가" <= letter <= "힣")
        return {letters[at : at + SYLLABLES] for at in range(len(letters) - SYLLABLES + 1)}
    words = re.findall(r"[a-z']+", said.lower())
    return {" ".join(words[at : at + WORDS]) for at in range(len(words) - WORDS + 1)}


@pytest.mark.parametrize(("language", "each", "harmless"), [("ko", 7, 90), ("en", 6, 80)])
def test_there_are_enough_dialogues_of_each_group(language: str, each: int, harmless: int) -> None:
    everything = calls(DIALOGUES[language])
    first = Counter(dialogue["labels"][0] if dialogue["labels"] else "" for dialogue in everything)
    assert first.pop("") == harmless
    assert first == dict.fromkeys(GROUPS, each)
    assert len({dialogue["id"] for dialogue in everything}) == len(everything)
    assert all(set(dialogue["labels"]) <= set(GROUPS) and len(dialogue["turns"]) >= 4 for dialogue in everything)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_no_dialogue_shares_a_run_of_words_with_the_examples_that_the_model_is_made_of(language: str) -> None:
    seen = {run for example in own_examples() for run in _runs(example.turns, language)}
    shared = {
        dialogue["id"]: _runs([turn["text"] for turn in dialogue["turns"]], language) & seen
        for dialogue in calls(DIALOGUES[language])
    }
    assert {name: runs for name, runs in shared.items() if runs} == {}


def test_named_are_a_probability_of_a_half_a_rules_finding_and_the_models() -> None:
    said = ["너 어디 사는지 알아 죽여 버릴 거야", "왜 그러세요 무서워요"]
    turns = [{"speaker": "AB"[index], "text": text} for index, text in enumerate(said)]
    found = measured([{"labels": ["THREAT"], "turns": turns}, {"labels": [], "turns": turns}], LanguageModel.load())
    assert found["harmful"]["a group of its labels is named"][0] == 1
    assert found["harmful"]["a finding of a group of its labels"][0] == 1
    assert found["harmless"]["any group is named"][0] == 1
    assert found["groups"] == {"THREAT": "1 of 1, most probable 1"}
    assert found["named in harmless ones"]["THREAT"] == 1
