"""Attention times on pauses, and forced alignment with a real (tiny, untrained) wav2vec2."""

import json
import logging
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from include.errors import ModelError, SettingsError
from include.settings import get_settings
from include.stt.align import ALIGNMENT_FAILED, WordTimer
from include.stt.aligner import Aligner, aligner_path, aligner_weights
from include.stt.attention import Pauses, find_pauses, place_words
from include.stt.text_units import syllables, units
from include.stt.transcript import Word
from include.stt.words import DecodedChunk, flag_times, to_segments

RATE = 16_000


def attended(*parts: tuple[str, float, float]) -> list[Word]:
    return [Word(text=f" {text}", start=a, end=b, score=0.5, timing="attention") for text, a, b in parts]


def chunk(words: list[Word], text: str | None = None, **more: object) -> DecodedChunk:
    said = "".join(word.text for word in words) if text is None else text
    start = next((word.start for word in words if word.start is not None), 0.0)
    end = next((word.end for word in reversed(words) if word.end is not None), 2.0)
    fields: dict[str, object] = {"channel": 0, "start": start, "end": end, "text": said, "words": words,
                                 "avg_logprob": -0.2, "no_speech_prob": 0.1, "flags": [], **more}  # fmt: skip
    return DecodedChunk(**fields)  # type: ignore[arg-type]


def voiced(*spans: tuple[float, float], seconds: float = 6.0) -> np.ndarray:
    """Noise at -60 dB with loud noise at the spans."""
    rng = np.random.default_rng(5)
    audio = rng.normal(0, 0.001, int(seconds * RATE)).astype(np.float32)
    for start, end in spans:
        part = slice(int(start * RATE), int(end * RATE))
        audio[part] += rng.normal(0, 0.1, part.stop - part.start).astype(np.float32)
    return audio


def test_pauses_are_found_by_level_and_by_the_detector_where_noise_hides_them() -> None:
    found = find_pauses(voiced((1.0, 2.0), (2.05, 3.0), (4.0, 5.0)), [])
    assert [(round(a, 1), round(b, 1)) for a, b in found.spans] == [(0.0, 1.0), (3.0, 4.0), (5.0, 6.0)]
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 0.1, 6 * RATE).astype(np.float32)
    assert find_pauses(noise, [(1.0, 2.0), (2.05, 5.0)]).spans == [(0.0, 1.0), (5.0, 6.0)]
    assert find_pauses(np.zeros(0, np.float32), []).spans == []


def test_pause_time_inside_a_stretch() -> None:
    pauses = Pauses([(4.0, 5.0), (1.0, 2.0)])
    assert pauses.inside(0.0, 9.0) == 2.0
    assert pauses.inside(1.5, 4.25) == 0.75
    assert pauses.inside(1.2, 1.4) == pytest.approx(0.2)
    assert pauses.inside(2.0, 4.0) == 0.0
    assert pauses.near(0.0, 1.0) == []


def test_a_word_after_a_pause_begins_with_the_voice_and_the_one_before_ends_with_it() -> None:
    # attention: "two" begins in the word before, "three" in the pause before it; "three" ends before it is over
    words = attended(("one", 0.9, 1.3), ("two", 1.3, 1.9), ("three", 1.9, 4.6), ("four", 4.6, 4.8))
    pauses = find_pauses(voiced((1.0, 2.0), (4.0, 5.0)), [])
    placed = place_words(words, pauses, (0.0, 6.0))
    assert [word.text for word in placed] == [" one", " two", " three", " four"]
    assert placed[0].start == pytest.approx(1.0, abs=0.03)
    assert placed[1].end == pytest.approx(2.0, abs=0.03)
    assert placed[2].start == pytest.approx(4.0, abs=0.03)
    assert placed[3].end == pytest.approx(5.0, abs=0.03)
    assert all(a.end <= b.start for a, b in pairwise(placed))  # type: ignore[operator]


def test_words_stay_inside_their_limits_and_in_order() -> None:
    words = attended(*((f"w{n}", n * 0.1, n * 0.1 + 0.1) for n in range(30)))
    placed = place_words(words, Pauses([(0.5, 2.5)]), (0.0, 3.0))
    times = [time for word in placed for time in (word.start, word.end)]
    assert times == sorted(times)  # type: ignore[type-var]
    assert times[0] >= 0.0 and times[-1] <= 3.0  # type: ignore[operator]
    assert place_words([], Pauses([]), (0.0, 1.0)) == []


@pytest.mark.parametrize(
    ("text", "start", "end", "odd"),
    [
        ("네", 1.0, 1.0, True), ("네", 1.0, 0.5, True), ("네", 1.0, 3.2, False), ("네", 1.0, 3.4, True),
        ("안녕하세요", 1.0, 1.2, True), ("안녕하세요", 1.0, 1.3, False), ("네", -0.5, 0.2, True),
        ("네", 9.8, 10.2, True),
    ],
)  # fmt: skip
def test_times_that_can_not_be_are_marked_and_not_changed(text: str, start: float, end: float, odd: bool) -> None:
    word = Word(text=text, start=start, end=end, score=0.5, timing="acoustic", flags=["overlap"])
    (marked,) = flag_times([word], 10.0)
    assert ("implausible_time" in marked.flags) is odd
    assert (marked.start, marked.end, marked.flags[0]) == (start, end, "overlap")


def test_a_word_that_begins_before_the_one_before_is_marked() -> None:
    words = attended(("one", 2.0, 2.3), ("two", 1.0, 1.3), ("three", 2.3, 2.6))
    assert [bool(word.flags) for word in flag_times(words, 10.0)] == [False, True, False]


def test_syllables_and_units() -> None:
    assert [syllables(text) for text in ("안녕하세요?", "table", "", "2024", "東京")] == [5, 2, 1, 6, 2]
    assert units("I won't, 죽여 버릴") == ["i", "wont", "죽", "여", "버", "릴"]
    assert units(unicodedata.normalize("NFD", "죽여")) == ["죽", "여"]


def test_a_text_without_words_gets_words_without_times() -> None:
    (timed,) = WordTimer().time([chunk([], text="안녕 하세요", end=2.0)], [voiced((0.5, 1.5))], "ko")
    assert [(word.text, word.start, word.end, word.timing) for word in timed.words] == [
        (" 안녕", None, None, "none"), (" 하세요", None, None, "none"),
    ]  # fmt: skip
    assert timed.flags == ["no_word_times"]
    (segment,) = to_segments(timed, None)
    assert (segment.text, segment.start, segment.end) == ("안녕 하세요", 0.0, 2.0)
    assert segment.confidence == pytest.approx(0.8187, abs=1e-3)


def test_chunks_keep_their_order_and_channels() -> None:
    late, early = attended(("late", 3.0, 3.4)), attended(("early", 1.0, 1.4))
    given = [chunk(late), chunk(early), chunk(attended(("right", 1.0, 1.4)), channel=1)]
    audio = [voiced((0.9, 1.6), (2.9, 3.6)), voiced((1.2, 1.8))]
    timed = WordTimer().time(given, audio, "en")
    assert [one.text for one in timed] == [" late", " early", " right"]
    assert timed[2].words[0].start == pytest.approx(1.2, abs=0.03)
    assert all(word.timing == "attention" for one in timed for word in one.words)


# forced alignment


def wav2vec2(folder: Path, letters: str) -> Path:
    """A wav2vec2 of one layer with random weights and the given vocabulary, saved as the hub's are."""
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    folder.mkdir()
    entries = ["[PAD]", "[UNK]", "|", *letters]
    (folder / "vocab.json").write_text(json.dumps({entry: n for n, entry in enumerate(entries)}))
    torch.manual_seed(1)
    config = Wav2Vec2Config(
        vocab_size=len(entries), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        conv_dim=(16,) * 7, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2, pad_token_id=0,
    )  # fmt: skip
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    tokenizer = Wav2Vec2CTCTokenizer(str(folder / "vocab.json"), pad_token="[PAD]", unk_token="[UNK]")
    extractor = Wav2Vec2FeatureExtractor(feature_size=1, sampling_rate=RATE, padding_value=0.0, do_normalize=True)
    Wav2Vec2Processor(feature_extractor=extractor, tokenizer=tokenizer).save_pretrained(folder)
    return folder


LATIN = "abcdefghijklmnopqrstuvwxyz'"
JAMO = "".join(map(chr, [*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A8, 0x11C3)]))
COMPATIBILITY = "".join(map(chr, range(0x3131, 0x3164)))


@pytest.fixture(scope="module")
def aligners(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("aligners")
    vocabularies = {"latin": LATIN, "jamo": JAMO, "compatibility": COMPATIBILITY, "syllables": "안녕하세요죽여"}
    return {name: wav2vec2(folder / name, letters) for name, letters in vocabularies.items()}


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("VOICEMAN_HOME", str(tmp_path))
    monkeypatch.setenv("NLTK_DATA", str(tmp_path / "none"))
    yield monkeypatch
    get_settings.cache_clear()


def use(monkeypatch: pytest.MonkeyPatch, models: str) -> None:
    monkeypatch.setenv("VOICEMAN_ALIGN_MODELS", models)
    get_settings.cache_clear()


def test_words_are_aligned_and_what_the_alphabet_can_not_write_keeps_its_attention_time(
    aligners: dict[str, Path], configured: pytest.MonkeyPatch
) -> None:
    use(configured, json.dumps({"en": str(aligners["latin"])}))
    words = attended(
        ("Send", 1.0, 1.3), ("me", 1.3, 1.5), ("500", 1.5, 2.0), ("do11ars,", 2.0, 2.4), ("won't.", 2.4, 3.0)
    )
    timer = WordTimer()
    (timed,) = timer.time([chunk(words)], [voiced((0.9, 3.1))], "en")
    assert [word.timing for word in timed.words] == ["acoustic", "acoustic", "attention", "acoustic", "acoustic"]
    assert [word.text for word in timed.words] == [word.text for word in words]
    acoustic = [word for word in timed.words if word.timing == "acoustic"]
    starts = [word.start for word in acoustic]
    assert starts == sorted(starts)  # type: ignore[type-var]
    assert all(0.7 <= word.start < word.end <= 3.3 for word in acoustic)  # type: ignore[operator]
    assert ALIGNMENT_FAILED not in timed.flags
    assert timer.facts("en") == {
        "method": "whisperx.align", "model": str(aligners["latin"]), "fallback": "attention",
    }  # fmt: skip
    assert (get_settings().home / "nltk_data" / "tokenizers" / "punkt_tab" / "english").is_dir()


@pytest.mark.parametrize("vocabulary", ["jamo", "compatibility", "syllables"])
def test_hangul_is_written_as_the_vocabulary_writes_it(
    vocabulary: str, aligners: dict[str, Path], configured: pytest.MonkeyPatch
) -> None:
    use(configured, f"ko={aligners[vocabulary]}")
    times = Aligner("ko", "cpu").align([" 안녕", "하세요?", " 죽여.", "!"], voiced((0.2, 1.8), seconds=2.0))
    assert times[3] is None
    found = [time for time in times if time is not None]
    assert len(found) == 3
    assert all(0 <= a < b <= 2.0 for a, b in found)
    assert found == sorted(found)
    assert set(aligner_weights("ko")) >= {"align/ko/model.safetensors", "align/ko/config.json", "align/ko/vocab.json"}


def test_whisperx_itself_made_the_times(aligners: dict[str, Path], configured: pytest.MonkeyPatch) -> None:
    from whisperx.alignment import align, load_align_model

    use(configured, f"en={aligners['latin']}")
    audio = voiced((0.2, 1.8), seconds=2.0)
    ours = Aligner("en", "cpu").align(["Hello", "there,", "friend."], audio)
    model, about = load_align_model("en", "cpu", model_name=str(aligners["latin"]))
    segments = [{"start": 0.0, "end": 2.0, "text": "hello there friend"}]
    plain = align(segments, model.eval(), about, audio, "cpu")["word_segments"]
    assert ours == [(pytest.approx(word["start"]), pytest.approx(min(word["end"], 2.0))) for word in plain]


def test_a_chunk_too_short_for_its_text_says_that_it_was_not_aligned(
    aligners: dict[str, Path], configured: pytest.MonkeyPatch
) -> None:
    use(configured, f"en={aligners['latin']}")
    words = attended(*((f"word{'x' * 30}", 1.0, 1.001) for _ in range(8)))
    (timed,) = WordTimer().time([chunk(words)], [voiced((0.9, 3.1))[: int(1.1 * RATE)]], "en")
    assert timed.flags == [ALIGNMENT_FAILED]
    assert {word.timing for word in timed.words} == {"attention"}


@pytest.mark.parametrize("broken", ["missing", "empty", "damaged"])
def test_a_model_that_fails_is_an_error_or_a_fallback_that_says_so(
    broken: str,
    aligners: dict[str, Path],
    configured: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "broken"
    if broken != "missing":
        folder.mkdir()
    if broken == "damaged":
        for file in aligners["latin"].iterdir():
            (folder / file.name).write_bytes(file.read_bytes()[: 200 if file.suffix == ".safetensors" else None])
    use(configured, f"en={folder}")
    chunks, audio = [chunk(attended(("secret", 1.0, 1.4)))], [voiced((0.9, 1.6))]
    timer = WordTimer()
    with caplog.at_level(logging.WARNING):
        (timed,) = timer.time(chunks, audio, "en")
    assert timed.flags == [ALIGNMENT_FAILED]
    assert timed.words[0].timing == "attention"
    assert str(folder) in timer.facts("en")["problem"]
    assert "Word times by cross-attention" in caplog.text and "secret" not in caplog.text
    configured.setenv("VOICEMAN_ALIGN_FALLBACK", "fail")
    get_settings.cache_clear()
    with pytest.raises(ModelError, match="VOICEMAN_ALIGN_MODELS"):
        WordTimer().time(chunks, audio, "en")


@pytest.mark.parametrize("name", ["kresnik/wav2vec2-large-xlsr-korean", "WAV2VEC2_ASR_BASE_960H"])
def test_nothing_is_downloaded(name: str, configured: pytest.MonkeyPatch) -> None:
    use(configured, f"ko={name}")
    with pytest.raises(ModelError, match=f"The aligner {name} is not under"):
        aligner_path("ko")
    assert aligner_path("en") is None
    assert aligner_weights("en") == {}


@pytest.mark.parametrize("value", ["ko", "korean=/x", "ko=", '{"ko": 1}', "{", "ko=/a,ko=/b"])
def test_a_wrong_list_of_aligners_is_named(value: str, configured: pytest.MonkeyPatch) -> None:
    use(configured, value)
    with pytest.raises(SettingsError, match="VOICEMAN_ALIGN_MODELS is not valid"):
        get_settings()
