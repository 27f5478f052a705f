"""Emotion: training and prediction on made-up voices, abstention, and the Hugging Face path on a tiny local model."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from include.errors import DocumentError, ModelError
from include.forensic.emotion import describe_emotion, load_emotion, turn_arousal
from include.forensic.emotion_hf import ACCURACY_FILE, HubEmotion
from include.forensic.emotion_model import EmotionModel, normalise
from include.forensic.emotion_nets import EmotionNets, available_groups
from include.forensic.emotion_own import OwnEmotion
from include.forensic.emotion_train import PARTS, Utterance, _cut, _shares, main, train
from include.forensic.voice_features import features
from include.forensic.voice_sounds import TurnSound
from include.forensic.voice_turns import VoiceTurn
from include.stt import NotMeasured
from tests.unit.test_forensic_voice import turn_sound, usual, voice

RATE = 16000
NOWHERE = Path("/nonexistent")
LABELS = ("angry", "neutral", "sad")


def made_up(speakers: int = 4, texts: int = 3) -> list[Utterance]:
    """Vectors in which the label moves some features and the speaker and text move all."""
    random = np.random.default_rng(0)
    effect = {label: random.standard_normal(20) * (np.arange(20) < 6) for label in LABELS}
    data = []
    for who in range(speakers):
        base = 5 * random.standard_normal(20)
        for label in LABELS:
            for text in range(texts):
                for _ in range(2):
                    vector = base + effect[label] + 0.4 * random.standard_normal(20)
                    data.append(Utterance("x", f"s{who}", label, f"t{text}", {"functionals": vector}))
    return data


@pytest.fixture(scope="module")
def nets() -> EmotionNets:
    return EmotionNets(("functionals",), NOWHERE)


@pytest.fixture(scope="module")
def model(nets: EmotionNets) -> EmotionModel:
    return train(made_up(), nets, trained_on="made-up vectors", licence_note="none")


def test_speakers_who_were_left_out_are_recognised(model: EmotionModel) -> None:
    assert model.card.accuracy.uar > 0.9
    assert model.card.accuracy.low <= model.card.accuracy.uar <= model.card.accuracy.high
    assert model.card.accuracy.speakers == 4
    assert model.card.accuracy_unseen_texts is None  # three texts are too few to leave any out
    more = train(made_up(texts=6), EmotionNets(("functionals",), NOWHERE), trained_on="x", licence_note="x")
    assert more.card.accuracy_unseen_texts.uar > 0.8


def test_a_speakers_own_level_does_not_count(model: EmotionModel) -> None:
    own = [item.vectors for item in made_up(1)]
    moved = [{"functionals": item["functionals"] + 100} for item in own]
    assert np.allclose(model.probabilities(own), model.probabilities(moved))
    assert np.allclose(model.probabilities(own).sum(axis=1), 1)
    assert model.probabilities(own[:3]) is None
    assert np.abs(normalise(np.array([[0.0], [0.0], [9.0]]))).max() <= 3


def test_a_saved_model_answers_the_same_and_a_changed_one_not_at_all(model: EmotionModel, tmp_path: Path) -> None:
    model.save(tmp_path / "m")
    again = EmotionModel.load(tmp_path / "m")
    own = [item.vectors for item in made_up(1)]
    assert np.allclose(model.probabilities(own), again.probabilities(own), atol=1e-4)
    (tmp_path / "m/weights.npz").write_bytes(b"something else")
    with pytest.raises(ModelError, match=r"not the file that model\.json names"):
        EmotionModel.load(tmp_path / "m")
    (tmp_path / "m/model.json").write_text("{}")
    with pytest.raises(ModelError, match="make train"):
        EmotionModel.load(tmp_path / "m")
    with pytest.raises(ModelError, match="holds no emotion model"):
        load_emotion(tmp_path, NOWHERE)


def test_too_little_data_is_refused(nets: EmotionNets) -> None:
    with pytest.raises(DocumentError, match="at least 3 speakers"):
        train(made_up(2), nets, trained_on="x", licence_note="x")
    with pytest.raises(ModelError, match="'whisper'"):
        EmotionNets(("functionals", "whisper"), NOWHERE)


def test_functionals_are_read_where_no_network_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert available_groups(NOWHERE) == ("voice",)
    monkeypatch.setattr("include.forensic.emotion_nets._voice_weights", lambda: None)
    assert available_groups(NOWHERE) == ("functionals",)


def test_inner_layers_are_read_alike_each_time_and_follow_the_voice(models: Path) -> None:
    import torch

    torch.set_num_threads(2)
    nets = EmotionNets(available_groups(models / "base"), models / "base", threads=1)
    assert nets.groups == ("whisper", "voice")
    assert "layers 2, 3, 4 of" in nets.digests["whisper"]
    calm, loud = voice(120, 1.5, seed=1, level=0.05), voice(220, 1.5, seed=2, level=0.3)
    first = nets.read(calm, RATE)
    nets.read(loud, RATE)
    again, other = nets.read(calm, RATE), nets.read(voice(220, 1.5, seed=3, level=0.3), RATE)
    assert torch.get_num_threads() == 2
    assert {name: vector.shape for name, vector in first.items()} == {"whisper": (1536,), "voice": (1024,)}
    for name in nets.groups:
        assert np.array_equal(first[name], again[name])
        near = np.linalg.norm(nets.read(loud, RATE)[name] - other[name])
        assert near < 0.7 * np.linalg.norm(first[name] - other[name])
    assert nets.read(np.zeros(RATE, np.float32), RATE) is None


def test_parts_of_utterances_are_trained_on_but_not_tested(nets: EmotionNets) -> None:
    plain = made_up(texts=6)
    random = np.random.default_rng(3)

    def noisy(item: Utterance, scale: float) -> list[dict[str, np.ndarray]]:
        return [{"functionals": item.vectors["functionals"] + scale * random.standard_normal(20)} for _ in range(3)]

    more = [replace(item, parts={0.6: noisy(item, 0.5)}) for item in plain]
    model = train(more, nets, trained_on="x", licence_note="x")
    assert model.card.parts == 3 * len(plain)
    assert len(model.parts["functionals"].support) == 4 * len(plain)
    assert model.card.accuracy.utterances == len(plain)
    meaningless = [replace(item, label=str(random.choice(LABELS)), parts={0.6: [item.vectors] * 3}) for item in plain]
    told = train(meaningless, nets, trained_on="x", licence_note="x").card
    assert told.accuracy_unseen_texts.uar < 0.6  # its own copies would give each utterance away


def test_fewer_parts_where_they_would_not_fit() -> None:
    assert _shares(100) == [0.6, 0.4]
    assert _shares(1000) == [0.6]
    assert _shares(3000) == []


def test_parts_lie_in_what_is_spoken() -> None:
    audio = np.zeros(4 * RATE, np.float32)
    audio[RATE : 3 * RATE] = np.arange(2 * RATE) / (2 * RATE) + 0.5
    for share, count in PARTS.items():
        parts = list(_cut(audio, share))
        assert [len(part) for part in parts] == [int(share * 2 * RATE)] * count
        assert parts[0][0] == audio[RATE]
        assert parts[-1][-1] == audio[3 * RATE - 1]


def wave_file(path: Path, audio: np.ndarray) -> None:
    import wave

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((audio * 32767).astype("<i2").tobytes())


def test_from_labelled_recordings_to_labelled_turns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["path\tspeaker\temotion"]
    for who, base in enumerate((110, 150, 210)):
        for at in range(4):
            label, hertz, level = ("angry", base * 1.4, 0.2) if at % 2 else ("neutral", base, 0.05)
            wave_file(tmp_path / f"{who}{at}.wav", voice(hertz, 1.2, seed=10 * who + at, level=level))
            rows.append(f"{who}{at}.wav\t{who}\t{label}")
    (tmp_path / "manifest.tsv").write_text("\n".join(rows) + "\n")
    main(["--data", str(tmp_path), "--out", str(tmp_path / "model"), "--groups", "functionals"])
    card = json.loads(capsys.readouterr().out)
    assert card["accuracy"]["uar"] == 1.0
    assert card["parts"] == 12 * 7
    source = load_emotion(tmp_path / "model", NOWHERE)
    assert isinstance(source, OwnEmotion)
    sounds, audio = [], {}
    for at in range(6):
        sound = turn_sound(at, "a", f0_median_st=30.0)
        audio[at] = voice(130 * (1.4 if at % 2 else 1), 1.2, seed=50 + at, level=0.2 if at % 2 else 0.05)
        sound.functionals = features(audio[at], RATE)
        sounds.append(sound)
    sounds += [turn_sound(6, "b"), turn_sound(7, None)]
    report = describe_emotion(sounds, source, lambda turn: audio[turn.index], RATE)
    assert [item.label for item in report.turns[:6]] == ["neutral", "angry"] * 3
    assert report.turns[6].abstained == "Too little voiced speech."
    assert report.turns[7].abstained == "Speakers were not separated."
    assert report.model.accuracy.uar == 1.0
    with pytest.raises(DocumentError, match="emotion"):
        (tmp_path / "manifest.tsv").write_text("path\tspeaker\nx\ty\n")
        main(["--data", str(tmp_path), "--out", str(tmp_path / "m2"), "--groups", "functionals"])


def test_without_a_model_arousal_is_measured_and_emotion_is_not() -> None:
    sounds = [usual(index) for index in range(10)]
    high = {"f0_median_st": 38, "f0_range_st": 12, "intensity_db": -10, "balance_db": 0, "speech_rate": 8}
    sounds[4] = usual(4, **high)
    report = describe_emotion(sounds, None, lambda turn: np.zeros(1, np.float32), RATE)
    assert isinstance(report.turns, NotMeasured)
    assert report.turns.measured is False
    by_turn = {item.turn: item for item in report.arousal}
    assert by_turn[4].low > 2
    assert all(item.low < item.effect < item.high for item in report.arousal)
    assert max(report.arousal, key=lambda item: item.effect).turn == 4
    assert isinstance(turn_arousal(sounds[:4]), NotMeasured)


def tiny(folder: Path, labels: list[str], *, dimensional: bool) -> Path:
    """A wav2vec2 of 16 dimensions with random weights, saved as the hub's tools save one."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2ForSequenceClassification, Wav2Vec2Model

    torch.manual_seed(0)
    config = Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, conv_dim=(16, 16),
        conv_stride=(80, 4), conv_kernel=(80, 4), num_feat_extract_layers=2, num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2, classifier_proj_size=8, num_labels=len(labels),
        id2label=dict(enumerate(labels)), label2id={name: at for at, name in enumerate(labels)},
    )  # fmt: skip
    if not dimensional:
        Wav2Vec2ForSequenceClassification(config).save_pretrained(folder)
        return folder
    from safetensors.torch import save_file

    state = {f"wav2vec2.{name}": value for name, value in Wav2Vec2Model(config).state_dict().items()}
    state["classifier.dense.weight"], state["classifier.dense.bias"] = torch.eye(16), torch.zeros(16)
    state["classifier.out_proj.weight"], state["classifier.out_proj.bias"] = torch.randn(3, 16), torch.zeros(3)
    config.save_pretrained(folder)
    save_file({n: v.contiguous() for n, v in state.items()}, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_an_audio_classification_model_gives_probabilities(tmp_path: Path) -> None:
    source = load_emotion(tiny(tmp_path, ["Angry", "Neutral"], dimensional=False), NOWHERE)
    assert isinstance(source, HubEmotion)
    assert source.info.kind == "audio classification"
    assert isinstance(source.info.accuracy, NotMeasured)
    sounds = [turn_sound(0, f0_median_st=30.0), turn_sound(1, None, f0_median_st=30.0), turn_sound(2)]
    report = describe_emotion(sounds, source, lambda turn: voice(120, 1), RATE)
    first = report.turns[0]
    assert set(first.probabilities) == {"angry", "neutral"}
    assert sum(first.probabilities.values()) == pytest.approx(1, abs=1e-3)
    assert first.label in {"angry", "neutral"}
    assert report.turns[1].abstained == "Speakers were not separated."
    assert report.turns[2].abstained == "Too little voiced speech."
    (tmp_path / ACCURACY_FILE).write_text('{"uar": 2}')
    with pytest.raises(ModelError, match="no measured accuracy"):
        HubEmotion(tmp_path)


def test_a_dimensional_model_gives_dimensions_and_no_label(tmp_path: Path) -> None:
    source = load_emotion(tiny(tmp_path, ["arousal", "dominance", "valence"], dimensional=True), NOWHERE)
    assert source.info.kind == "dimensional"
    report = describe_emotion([turn_sound(0, f0_median_st=30.0)], source, lambda turn: voice(120, 1), RATE)
    (turn,) = report.turns
    assert set(turn.dimensions) == {"arousal", "dominance", "valence"}
    assert all(math.isfinite(value) for value in turn.dimensions.values())
    assert turn.label is None
    assert turn.abstained == "The model gives no classes."


def test_weights_that_are_missing_are_an_error_and_not_random_numbers(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tiny(tmp_path, ["angry", "neutral"], dimensional=False)
    state = load_file(tmp_path / "model.safetensors")
    state.pop("classifier.weight")
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="answer at random"):
        HubEmotion(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="names no labels"):
        HubEmotion(tmp_path)


def test_two_speakers_at_once_get_no_label(tmp_path: Path) -> None:
    source = load_emotion(tiny(tmp_path, ["angry", "neutral"], dimensional=False), NOWHERE)
    sound: TurnSound = turn_sound(0, f0_median_st=30.0)
    sound.overlapped_s = 2.0
    assert isinstance(sound.turn, VoiceTurn)
    report = describe_emotion([sound], source, lambda turn: voice(120, 1), RATE)
    assert report.turns[0].label is None
    assert report.turns[0].abstained == "Two speakers are heard at once."
