"""Of two texts of a window the one counts that leaves less speech without a word, if it passes its checks."""

from __future__ import annotations

import pytest
import torch

from include.stt import guards, wholeness
from include.stt.decoding import _lacking
from include.stt.voices import Voices
from include.stt.wholeness import better, left_out, more_whole
from include.stt.work import Heard

BEGIN = 50_364
SPEECH = [(0.0, 10.0)]


def heard(
    *words: tuple[str, float, float], tokens: tuple[int, ...] = (), logprob: float = -0.4, **more: object
) -> Heard:
    found = tuple({"word": w, "start": a, "end": b, "tokens": [1], "probability": 0.9} for w, a, b in words)
    values = {"tokens": tokens, "text": "".join(w for w, _, _ in words), "avg_logprob": logprob, "no_speech_prob": 0.0,
              "compression_ratio": 1.0, "rung": 0, "temperature": 0.0, "failed": (), "words": found} | more  # fmt: skip
    return Heard(**values)  # type: ignore[arg-type]


WHOLE = heard((" 처음부터끝까지다들린말", 0.0, 5.0), (" 그리고나머지도다들린말", 5.0, 10.0), logprob=-0.6)
HALF = heard((" 처음부터끝까지다들린말", 0.0, 5.0), logprob=-0.3)


def test_speech_without_a_word_is_left_out() -> None:
    assert left_out(WHOLE, SPEECH, BEGIN) == pytest.approx(0.0)
    assert left_out(HALF, SPEECH, BEGIN) == pytest.approx(5.0)
    assert left_out(heard(), SPEECH, BEGIN) == pytest.approx(10.0)
    # one letter doesn't take ten seconds: attention gave it what was left out before it
    assert left_out(heard((" 네", 0.0, 10.0)), SPEECH, BEGIN) == pytest.approx(10 - 0.85)


def test_what_a_chain_goes_on_with_is_not_left_out() -> None:
    stamps = (BEGIN, 1, BEGIN + 250, BEGIN + 250, 2)
    assert left_out(heard((" 처음부터끝까지다들린말", 0.0, 5.0), tokens=stamps), SPEECH, BEGIN) == pytest.approx(0.0)
    ended = (*stamps, BEGIN + 500)
    assert left_out(heard((" 처음부터끝까지다들린말", 0.0, 5.0), tokens=ended), SPEECH, BEGIN) == pytest.approx(5.0)


def test_the_one_that_leaves_less_out_counts_both_ways() -> None:
    assert more_whole(HALF, WHOLE, SPEECH, BEGIN) is WHOLE
    assert more_whole(WHOLE, HALF, SPEECH, BEGIN) is WHOLE


def test_not_one_that_the_guards_would_drop() -> None:
    looped = heard((" 아아아아아아아아아아아", 0.0, 10.0), failed=("repetitive",))
    assert more_whole(HALF, looped, SPEECH, BEGIN) is HALF
    unlikely = heard((" 처음부터끝까지다들린말다다", 0.0, 10.0), logprob=guards.LOG_PROB - 0.1)
    assert more_whole(HALF, unlikely, SPEECH, BEGIN) is HALF


def test_a_loop_is_no_better_however_sure_the_decoder_is_of_it() -> None:
    doubtful = heard((" 처음부터끝까지다들린말", 0.0, 5.0), logprob=-1.2, failed=("low_confidence",))
    looped = heard((" 들린말" * 20, 0.0, 10.0), logprob=-0.1, failed=("repetitive",))
    unsure = heard((" 들린말" * 20, 0.0, 10.0), logprob=-1.5, failed=("repetitive", "low_confidence"))
    assert better(doubtful, looped) is better(looped, doubtful) is doubtful
    assert better(unsure, looped) is better(looped, unsure) is looped
    assert more_whole(doubtful, looped, SPEECH, BEGIN) is doubtful


def test_what_is_taken_for_no_speech_is_not_heard_again() -> None:
    assert _lacking(HALF, SPEECH, BEGIN)
    assert not _lacking(WHOLE, SPEECH, BEGIN)
    assert not _lacking(heard((" 네", 0.0, 1.0), no_speech_prob=guards.NO_SPEECH + 0.1), SPEECH, BEGIN)
    assert not _lacking(heard(), SPEECH, BEGIN)


def test_the_parameters_are_named() -> None:
    assert wholeness.PARAMETERS == {"least_uncovered_s": 0.8, "least_share": 0.9}


def test_the_filter_bank_of_many_pieces_is_kaldis_of_each() -> None:
    from torchaudio.compliance.kaldi import fbank

    pieces = torch.randn(3, 24_000, generator=torch.Generator().manual_seed(1)) * 0.1
    batches = [pieces, pieces[:2, :9_600]]
    for made, batch in zip(Voices._features(Voices.__new__(Voices), batches), batches, strict=True):
        for row, piece in zip(made, batch, strict=True):
            own = fbank(piece[None] * 32768, num_mel_bins=80, sample_frequency=16_000.0, dither=0.0)
            assert torch.equal(row, own - own.mean(0))
