"""Spans of a real recording decoded again with the real model."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from include.settings import ROOT, get_settings
from include.stt import Confirmation, Confirmer, Span, load_channels
from include.stt.engine import SpeechModel
from include.stt.transcript import Word

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def model(models: Path) -> Iterator[SpeechModel]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOICEMAN_MODEL_DIR", str(models))
        get_settings.cache_clear()
        yield SpeechModel(2)


@pytest.fixture(scope="module")
def threat() -> NDArray[np.float32]:
    return load_channels(ROOT / "samples" / "threat.m4a")[0]


@pytest.fixture(scope="module")
def place(model: SpeechModel, threat: NDArray[np.float32]) -> list[Word]:
    """The words "I will kill you" where the transcriber finds them."""
    regions, chunks = model.speech_regions(threat)
    decoded = model.decode([threat], [(0, start, end) for start, end in chunks], "en", [regions])
    words = [word for chunk in decoded.chunks for word in chunk.words]
    plain = ["".join(c for c in word.text.lower() if c.isalpha()) for word in words]
    at = next(n for n in range(len(words)) if plain[n : n + 4] == ["i", "will", "kill", "you"])
    return words[at : at + 4]


def confirm(model: SpeechModel, audio: NDArray[np.float32], place: list[Word], words: list[str]) -> Confirmation:
    start, end = place[0].start, place[-1].end
    assert start is not None and end is not None
    return Confirmer(model).confirm(audio, start, end, words, "en")


def test_a_threat_that_was_said_is_confirmed_and_always_the_same(
    model: SpeechModel, threat: NDArray[np.float32], place: list[Word]
) -> None:
    found = confirm(model, threat, place, [word.text for word in place])
    assert found.verdict == "confirmed", found
    assert found.agreement == 1.0
    assert [word.verdict for word in found.words] == ["confirmed"] * 4
    assert len({(one.start, one.end, one.beam_size) for one in found.variants}) == 2
    best = found.variants[0].alternatives
    assert len(best) == 5
    assert best[0].text == found.variants[0].text
    assert [one.avg_logprob for one in best] == sorted((one.avg_logprob for one in best), reverse=True)
    assert confirm(model, threat, place, [word.text for word in place]) == found


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["I", "will", "thank", "you."], ["confirmed", "confirmed", "differs", "confirmed"]),
        (["I", "will", "never", "kill", "you"], ["confirmed", "confirmed", "not_heard", "confirmed", "confirmed"]),
        (["bananas"] * 4, ["differs"] * 4),
    ],
)
def test_other_words_than_were_said_differ(
    model: SpeechModel, threat: NDArray[np.float32], place: list[Word], words: list[str], expected: list[str]
) -> None:
    found = confirm(model, threat, place, words)
    assert found.verdict == "differs"
    assert [word.verdict for word in found.words] == expected


def test_words_left_out_of_the_middle_do_not_confirm_the_rest(
    model: SpeechModel, threat: NDArray[np.float32], place: list[Word]
) -> None:
    found = confirm(model, threat, place, ["I", "kill", "you"])
    assert found.verdict == "differs"
    assert [one.inserted for one in found.variants] == [["will"], ["will"]]
    assert "more words between" in found.reason


@pytest.mark.parametrize("level", [0.0, 1e-3])
def test_where_nobody_speaks_nothing_was_heard(model: SpeechModel, level: float) -> None:
    audio = np.random.default_rng(3).normal(0, level, 8 * 16_000).astype(np.float32)
    found = Confirmer(model).confirm(audio, 3.0, 4.5, ["I", "will", "kill", "you"], "en")
    assert (found.verdict, found.agreement) == ("not_heard", 0.0)
    assert {word.verdict for word in found.words} == {"not_heard"}
    assert found.reason == "the voice activity detector finds no speech in the span"


def test_many_spans_at_once_give_what_each_gives_alone(
    model: SpeechModel, threat: NDArray[np.float32], place: list[Word]
) -> None:
    start, end = place[0].start or 0.0, place[-1].end or 0.0
    spans = [
        Span(threat, start, end, ["I", "will", "kill", "you"], "en"),
        Span(threat, 0.5, 3.0, ["nothing"], "en"),
        Span(np.zeros(48_000, np.float32), 0.5, 2.0, ["you"], "en"),
    ]
    together = Confirmer(model).confirm_many(spans)
    assert [one.verdict for one in together] == ["confirmed", "differs", "not_heard"]
    for span, one in zip(spans, together, strict=True):
        alone = Confirmer(model).confirm(span.audio, span.start, span.end, span.words, span.language)
        assert (alone.verdict, [v.text for v in alone.variants]) == (one.verdict, [v.text for v in one.variants])


def test_a_second_model_is_one_more_variant(
    model: SpeechModel, threat: NDArray[np.float32], place: list[Word], monkeypatch: pytest.MonkeyPatch, models: Path
) -> None:
    monkeypatch.setenv("VOICEMAN_MODEL_DIR", str(models))
    monkeypatch.setenv("VOICEMAN_CONFIRM_MODEL", "base")
    get_settings.cache_clear()
    found = confirm(model, threat, place, ["I", "will", "kill", "you"])
    assert found.verdict == "confirmed"
    assert [one.model for one in found.variants] == ["base", "base", "base"]
    assert len({(one.start, one.end) for one in found.variants}) == 3


@pytest.mark.parametrize(("start", "end"), [(2.0, 2.0), (3.0, 2.0), (-1.0, 1.0), (0.0, 31.0), (7.0, 9.0)])
def test_an_impossible_span_is_refused(model: SpeechModel, start: float, end: float) -> None:
    with pytest.raises(ValueError, match="can't be confirmed"):
        Confirmer(model).confirm(np.zeros(8 * 16_000, np.float32), start, end, ["x"], "en")
