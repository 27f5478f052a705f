"""The rule of include/stt/confirmation.py, without a model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.stt.agreement import compare, confirmation
from include.stt.confirmation import Alternative, Variant


def variant(text: str, *, avg_logprob: float = -0.2, no_speech_prob: float = 0.1) -> Variant:
    best = Alternative(text=text, avg_logprob=avg_logprob)
    return Variant(
        model="base", beam_size=5, start=0.0, end=2.0, text=text, heard="", inserted=[], agreement=0.0,
        avg_logprob=avg_logprob, no_speech_prob=no_speech_prob, alternatives=[best],
    )  # fmt: skip


@pytest.mark.parametrize(
    "text", ["너 죽여 버릴 거야 알아", "너 죽여버릴거야. 알아?", "죽 여 버 릴 거 야"], ids=["same", "together", "apart"]
)
def test_korean_spacing_does_not_count(text: str) -> None:
    found = compare([" 죽여", " 버릴", " 거야."], text)
    assert found.shares == (1.0, 1.0, 1.0)
    assert found.heard == "죽여버릴거야"
    assert found.inserted == ()


def test_what_stands_before_and_after_is_free_and_what_stands_between_is_not() -> None:
    found = compare(["I", "will", "kill", "you"], "so now I will not kill you again")
    assert found.shares == (1.0,) * 4
    assert found.inserted == ("not",)
    assert found.heard == "i will not kill you"
    assert compare(["kill"], "skill").shares == (0.0,)
    assert compare(["죽여"], "죽어").shares == (0.5,)
    assert compare(["죽여"], "").places == ("",)


def test_the_verdicts() -> None:
    words = ["죽여", "버릴", "거야"]

    def verdict(*texts: str) -> str:
        return confirmation(0.0, 1.0, "ko", words, [variant(text) for text in texts]).verdict

    assert verdict("죽여 버릴거야", "너 죽여버릴 거야") == "confirmed"
    assert verdict("죽여 버릴거야", "너 죽여버릴 거야", "주거 버릴 거야") == "confirmed"  # two of three
    assert verdict("죽여 버릴거야", "주거 버릴 거야") == "differs"  # one of two is not most
    assert verdict("안 죽여 안 버릴 거야", "죽여 안 버릴 거야") == "differs"
    assert verdict("", "") == "not_heard"
    assert verdict() == "not_heard"


def test_an_invention_over_silence_is_not_heard() -> None:
    silent = [variant("you", avg_logprob=-1.2, no_speech_prob=0.9)] * 2
    assert confirmation(0.0, 1.0, "en", ["you"], silent).verdict == "not_heard"


text = st.text(st.sampled_from("ab가나 .!"), max_size=14)


@given(st.lists(text, max_size=5), text, text)
def test_a_text_always_agrees_with_itself_wherever_it_stands(words: list[str], before: str, after: str) -> None:
    found = compare(words, " ".join(words))
    assert all(share == 1.0 for share in found.shares)
    assert found.inserted == ()
    inside = compare(words, f"{before} {' '.join(words)} {after}")
    assert all(share == 1.0 for share in inside.shares)
    assert inside.inserted == ()
