"""A text without time stamps is cut into segments at its pauses and at the ends of its sentences."""

from __future__ import annotations

from include.stt.stamps import with_pauses
from include.stt.work import Heard

BEGIN = 50_364


def heard(words: list[tuple[str, float, float]], **more: object) -> Heard:
    found = tuple(
        {"word": word, "start": start, "end": end, "tokens": [100 + n], "probability": 0.9}
        for n, (word, start, end) in enumerate(words)
    )
    tokens = tuple(100 + n for n in range(len(words)))
    values = {"tokens": tokens, "text": "x", "avg_logprob": -0.5, "no_speech_prob": 0.0, "compression_ratio": 1.0,
              "rung": 1, "temperature": 0.0, "failed": (), "words": found} | more  # fmt: skip
    return Heard(**values)  # type: ignore[arg-type]


def stamp(seconds: float) -> int:
    return BEGIN + round(seconds / 0.02)


def test_it_is_cut_before_a_pause_and_after_a_sentence() -> None:
    words = [(" one", 0.2, 1.0), (" two", 1.6, 2.0), (".", 2.0, 2.1), (" three", 2.1, 3.0), (" four", 3.0, 4.0)]
    assert with_pauses(heard(words), BEGIN).tokens == (
        stamp(0.2), 100, stamp(1.0), stamp(1.6), 101, 102, stamp(2.0), stamp(2.1), 103, 104, stamp(4.0),
    )  # fmt: skip


def test_a_pause_that_attention_gave_to_the_next_word_counts() -> None:
    words = [(" one", 0.0, 1.0), (" go", 1.0, 6.0)]  # two letters don't take five seconds: 0.5 s and 0.35 s a letter
    assert with_pauses(heard(words), BEGIN).tokens == (stamp(0), 100, stamp(1.0), stamp(4.8), 101, stamp(6.0))


def test_no_segment_begins_with_punctuation() -> None:
    words = [(" one", 0.0, 1.0), (".", 3.0, 3.1), ('"', 5.0, 5.1)]
    assert with_pauses(heard(words), BEGIN).tokens == (stamp(0), 100, 101, 102, stamp(5.1))


def test_a_text_with_stamps_of_its_own_or_without_words_stays_as_it_is() -> None:
    own = heard([(" one", 0.2, 1.0)], tokens=(stamp(0), 100, stamp(9)))
    assert with_pauses(own, BEGIN) is own
    silent = heard([], tokens=())
    assert with_pauses(silent, BEGIN) is silent


def test_a_loop_stays_in_one_piece() -> None:
    loop = heard([(" one", 0.0, 1.0), (".", 1.0, 1.1), (" one", 1.1, 2.0)], failed=("repetitive",))
    assert with_pauses(loop, BEGIN) is loop


def test_a_comma_before_a_pause_hides_nothing_and_no_token_is_lost() -> None:
    words = [(" one", 0.0, 1.0), (",", 1.0, 3.0), (" two", 3.0, 3.5)]
    made = with_pauses(heard(words, tokens=(100, 101, 102, 777)), BEGIN)
    assert made.tokens == (stamp(0), 100, 101, stamp(1.0), stamp(3.0), 102, 777, stamp(3.5))
