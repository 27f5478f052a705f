"""Defences against words that nobody said: each check on its own. What they let through is in test_decoding.py."""

import numpy as np
import pytest

from include.stt import guards


@pytest.mark.parametrize(
    "text",
    [
        "2, 3, 2, 3, 2, 3, 2, 3, 2, 3",
        "그래서 그래서 그래서 그래서 그래서",
        "I told you I told you I told you I told you",
        "ㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋ",
        "아니야아니야아니야아니야아니야아니야아니야아니야아니야",
    ],
)
def test_loops_are_found(text: str) -> None:
    assert guards.has_loop(text)
    assert "repetitive" in guards.failures(text, -0.2, 0.0)


@pytest.mark.parametrize("text", ["네 네 네", "아니 아니 그게 아니고", "no, no, no, listen to me", "010-1234-1234", ""])
def test_people_repeat_themselves_too(text: str) -> None:
    assert not guards.has_loop(text)
    assert guards.failures(text, -0.2, 0.0) == ()


@pytest.mark.parametrize(
    "text",
    [
        "시청해 주셔서 감사합니다.",
        "시청해주셔서 감사합니다",
        "구독과 좋아요 부탁드립니다.",
        "MBC 뉴스 김성현입니다.",
        "다음 영상에서 만나요!",
        "Thanks for watching!",
        "Thank you for watching.",
        "Subtitles by the Amara.org community",
        "See you in the next video",
    ],
)
def test_stock_phrases_are_known(text: str) -> None:
    assert guards.is_stock_phrase(text)
    assert "stock_phrase" in guards.flags_of(text, -0.2, 0.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "네",
        "감사합니다",
        "좋아요 그럼 내일 세 시에 봐요",
        "구독 해지하려고 전화드렸는데요",
        "그 영상 시청해 보시고 다시 전화 주세요",
        "저는 김성현입니다",
        "자막이 안 나와요",
        "Thank you for calling, how can I help you?",
    ],
)
def test_what_people_say_is_no_stock_phrase(text: str) -> None:
    assert not guards.is_stock_phrase(text)


def test_silence_taken_for_silence_is_not_decoded_again() -> None:
    assert guards.failures("you", -1.4, 0.9) == ()
    assert guards.failures("you", -1.4, 0.1) == ("low_confidence",)
    assert guards.failures("", -0.1, 0.0) == ()


@pytest.mark.parametrize(
    ("flags", "doubtless"),
    [
        ([], False),
        (["low_confidence"], False),
        (["maybe_no_speech"], False),
        (["stock_phrase"], False),
        (["no_energy"], True),
        (["maybe_no_speech", "stock_phrase"], True),
        (["maybe_no_speech", "stock_word"], True),
        (["maybe_no_speech", "low_confidence"], True),
        (["repetitive", "low_confidence"], True),
    ],
)
def test_one_doubt_is_a_flag_and_two_are_none(flags: list[str], doubtless: bool) -> None:
    assert guards.beyond_doubt(flags) is doubtless


def test_energy_under_the_words() -> None:
    noise = np.random.default_rng(1).standard_normal(10 * 16000).astype(np.float32) * 0.001
    noise[3 * 16000 : 4 * 16000] *= 30
    floor = guards.noise_floor(noise)
    assert floor == pytest.approx(-60, abs=1)
    assert guards.energy_above_floor(noise, [(3.0, 4.0)], floor) == pytest.approx(29.5, abs=1.5)
    assert guards.energy_above_floor(noise, [(6.0, 7.0)], floor) < guards.FLOOR_DB
    assert guards.noise_floor(np.zeros(16000, np.float32)) == -120.0
