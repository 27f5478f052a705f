"""The text without time stamps is cut where the hearing with time stamps was."""

from __future__ import annotations

from include.stt.decoding import DOUBT, _doubtful
from include.stt.stamps import with_stamps
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


WORDS = [(" one", 0.2, 1.0), (" two", 1.0, 2.0), (" three", 3.1, 4.0), (".", 4.0, 4.1), (" four", 8.0, 9.0)]


def test_it_is_cut_at_the_nearest_word_and_ends_with_its_last_word() -> None:
    stamped = (stamp(0), 7, stamp(2.4), stamp(3.0), 8, stamp(9.2))
    made = with_stamps(heard(WORDS), stamped, BEGIN)
    assert made.tokens == (stamp(0.2), 100, 101, stamp(2.4), stamp(3.0), 102, 103, 104, stamp(9.0))


def test_a_stamp_far_from_every_pause_cuts_nothing_and_no_segment_begins_with_punctuation() -> None:
    long = [(" one", 0.2, 1.0), (" two", 1.0, 6.0), (" three", 6.0, 9.0)]
    far = (stamp(0), 7, stamp(3.5), stamp(3.5), 8, stamp(9.2))
    assert with_stamps(heard(long), far, BEGIN).tokens == (stamp(0.2), 100, 101, 102, stamp(9.0))
    dot = (stamp(0), 7, stamp(4.0), stamp(4.04), 8, stamp(9.2))
    assert with_stamps(heard(WORDS), dot, BEGIN).tokens == (
        stamp(0.2), 100, 101, 102, 103, stamp(4.0), stamp(4.04), 104, stamp(9.0),
    )  # fmt: skip


def test_a_text_with_stamps_of_its_own_or_without_words_stays_as_it_is() -> None:
    own = heard(WORDS, tokens=(stamp(0), 100, stamp(9)))
    assert with_stamps(own, (stamp(0), 7, stamp(2), stamp(3), 8, stamp(9)), BEGIN) is own
    silent = heard([], tokens=())
    assert with_stamps(silent, (stamp(0),), BEGIN) is silent


def test_what_is_taken_for_no_speech_is_not_heard_again() -> None:
    assert _doubtful(heard(WORDS, avg_logprob=DOUBT - 0.1))
    assert not _doubtful(heard(WORDS, avg_logprob=DOUBT + 0.1))
    assert not _doubtful(heard(WORDS, avg_logprob=DOUBT - 0.1, no_speech_prob=0.99))
    assert not _doubtful(heard(WORDS, avg_logprob=DOUBT - 0.1, text=""))
