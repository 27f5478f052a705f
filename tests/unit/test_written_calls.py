"""The calls to test voice phishing with: well formed, and none of their words in what the shipped model saw."""

from __future__ import annotations

from collections import Counter

from eval.per_hour import TALK, per_hour
from eval.written_calls import calls, curve, form, searched
from eval.written_pairs import measured, pairs
from include.forensic.detect import Passage, examine
from include.forensic.learned import GROUPS, LanguageModel, own_examples
from include.forensic.rulebook import load_taxonomy

EVERYTHING = calls()

RUN = 30
"""Syllables in a row that nobody writes twice by chance (writers of one make do: a call with 35 in common with an
example was taken out)."""


def _runs(turns: list[str]) -> set[str]:
    said = "".join(letter for turn in turns for letter in turn if "가" <= letter <= "힣")
    return {said[at : at + RUN] for at in range(len(said) - RUN + 1)}


def test_there_are_enough_calls_of_each_writer_and_form() -> None:
    assert Counter((call["writer"], call["phishing"]) for call in EVERYTHING) == {
        ("dispatcher", True): 50, ("typist", True): 50, ("dispatcher", False): 75, ("typist", False): 75,
        ("stenographer", True): 60, ("stenographer", False): 90,
    }  # fmt: skip
    forms = Counter((form(call), call["phishing"]) for call in EVERYTHING)
    assert len(forms) == 6
    assert min(forms.values()) >= 8
    assert len({call["id"] for call in EVERYTHING}) == len(EVERYTHING)
    assert all(turn.keys() == {"speaker", "text"} and turn["text"] for call in EVERYTHING for turn in call["turns"])


def test_thecurve_counts_pairs() -> None:
    found = curve([True, True, False, False], [0.9, 0.4, 0.4, 0.1])
    assert found["area"] == 0.875
    assert found["recall where 1.0% of the harmless are flagged"] == 0.5
    assert curve([True], [0.9]) == {}


def test_no_call_shares_a_run_of_words_with_the_examples_that_the_model_is_made_of() -> None:
    seen = {run for example in own_examples() for run in _runs(list(example.turns))}
    shared = {call["id"]: _runs([turn["text"] for turn in call["turns"]]) & seen for call in EVERYTHING}
    assert {name: runs for name, runs in shared.items() if runs} == {}


def test_long_ordinary_calls_are_long_and_share_no_run_of_words_with_the_examples() -> None:
    talk = calls(TALK)
    assert Counter(call["writer"] for call in talk) == {
        "friend": 16, "supervisor": 16, "hairdresser": 20, "taxi driver": 20, "principal": 20, "operator": 30
    }  # fmt: skip
    assert min(len(call["turns"]) for call in talk if call["writer"] != "operator") >= 90
    assert min(len(call["turns"]) for call in talk) >= 30
    seen = {run for example in own_examples() for run in _runs(list(example.turns))}
    assert not [call["id"] for call in talk if _runs([turn["text"] for turn in call["turns"]]) & seen]


def test_findings_an_hour_are_counted_by_the_syllables() -> None:
    talk = ["가" * 500] * 36
    found = searched({"turns": [{"speaker": "A", "text": "너 죽여 버릴 거야"}]}, LanguageModel.load())
    assert found.hits
    result = per_hour([found, found], [talk, talk])
    assert result["hours"] == 2
    assert result["per_hour"]["findings"][0] == len(found.hits) + len(found.by_model)
    nothing = per_hour([], [talk])["per_hour"]["findings"]
    assert nothing == [0, 0, 3.69], "the interval of no event in an hour"


def test_a_call_about_phishing_sets_steps_aside_that_a_caller_would_be_found_by() -> None:
    steps = ["현금으로 전부 찾으세요", "은행 직원이 물어보면 집 수리한다고 하세요"]
    told = [*steps, "이렇게 말하면 백 퍼센트 사기입니다", "저희 어머니도 그런 수법에 당했어요"]
    fired, aside = (examine([Passage("A", text) for text in said], "ko", load_taxonomy()) for said in (steps, told))
    assert {hit.category for hit in fired.hits} >= {"VISHING.CALL"}
    assert not [hit for hit in aside.hits if hit.family == "VISHING"]
    assert {item.filter for item in aside.set_aside} & {"fraud_told", "fraud_warning"}


def test_pairs_to_test_with_are_whole_and_share_no_run_of_words_with_the_examples() -> None:
    everything = pairs()
    assert Counter(pair["language"] for pair in everything) == {"ko": 165, "en": 75}
    assert len({pair["group"] for pair in everything} & set(GROUPS)) == 15
    seen = {run for example in own_examples() for run in _runs(list(example.turns))}
    for pair in everything:
        assert pair["harmful"] != pair["harmless"]
        assert not _runs([turn["text"] for side in ("harmful", "harmless") for turn in pair[side]]) & seen, pair["id"]


def test_a_pair_is_told_apart_where_only_its_harmful_line_is_flagged() -> None:
    threat, idiom = (
        [{"speaker": "A", "text": text}] for text in ("너 오늘 밤에 칼로 찔러 죽여 버릴 거야", "배고파 죽겠다")
    )
    told = measured([{"group": "THREAT", "kind": "idiom", "harmful": threat, "harmless": idiom}], LanguageModel.load())
    assert (told["harmful flagged"], told["harmless flagged"], told["told apart"]) == (1, 0, 1)
    turned = measured(
        [{"group": "THREAT", "kind": "idiom", "harmful": idiom, "harmless": threat}], LanguageModel.load()
    )
    assert (turned["told apart"], turned["harmless flagged, by kind"]) == (0, {"idiom": 1})
    assert turned["harmful missed, by group"] == {"THREAT": 1}
