"""Words as vectors, the network over them in numpy, and its training."""

from __future__ import annotations

import struct
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from include.errors import ModelError
from include.forensic import kiwi_vectors
from include.forensic.kiwi_vectors import MORPHEME_WIDTH, NOT_LISTED, morpheme_ids, morpheme_vectors
from include.forensic.learned import convolution_training
from include.forensic.learned.convolution import RUNS, Tower, placed
from include.forensic.learned.convolution_training import Spoken, train_tower
from include.forensic.learned.features import Window, read_turns, word_vectors
from include.forensic.learned.towers import korean_items, spoken
from include.forensic.learned.training import read
from include.forensic.tokens import tokenize
from include.forensic.vectors import WIDTH, sentence_vectors


def test_vectors_of_morphemes_are_as_like_as_kiwi_says() -> None:
    from kiwipiepy import Kiwi

    kiwi = Kiwi()
    pairs = [
        ("사랑", "애정"),
        ("사랑", "알고리즘"),
        ("검찰", "경찰"),
        ("칼", "흉기"),
        ("대출", "점심"),
        ("협박", "공갈"),
    ]
    for one, other in pairs:
        numbers = np.array([kiwi.tokenize(word)[0].id for word in (one, other)], dtype=np.int32)
        first, second = morpheme_vectors(numbers)
        named = [(word, "NNG") for word in (one, other)]
        assert abs(float(first @ second) - kiwi.morpheme_similarity(*named)) < 0.03, (one, other)


def test_other_forms_of_a_morpheme_have_its_number_and_a_word_of_no_dictionary_none() -> None:
    after_vowel, after_consonant = tokenize(["나는 너를 보면", "집은 밥을 먹으면"], "ko")
    ids = {
        form: number
        for tokens in (after_vowel, after_consonant)
        for form, number in zip((t.form for t in tokens), morpheme_ids(tokens), strict=True)
    }
    assert ids["는"] == ids["은"] != NOT_LISTED
    assert ids["를"] == ids["을"] != NOT_LISTED
    assert ids["면"] == ids["으면"] != NOT_LISTED
    assert not morpheme_vectors(np.array([NOT_LISTED], dtype=np.int32)).any()
    assert morpheme_vectors(np.zeros(0, dtype=np.int32)).shape == (0, MORPHEME_WIDTH)


def test_a_file_of_another_layout_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cong.mdl").write_bytes(
        struct.pack("<QQH6B5Q", 3, 3, 128, 0, 0, 3, 7, 8, 0, 0, 0, 0, 0, 64) + bytes(4096)
    )
    there = SimpleNamespace(locate_file=lambda name: tmp_path / Path(name).name)
    monkeypatch.setattr(kiwi_vectors, "distribution", lambda name: there)
    with pytest.raises(ModelError, match=r"cong\.mdl is not laid out"):
        kiwi_vectors._table.__wrapped__()


@pytest.mark.parametrize("content", [None, b"", bytes(20)], ids=["missing", "empty", "cut off"])
def test_a_file_that_cant_be_read_is_named(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "cong.mdl").write_bytes(content)
    there = SimpleNamespace(locate_file=lambda name: tmp_path / Path(name).name)
    monkeypatch.setattr(kiwi_vectors, "distribution", lambda name: there)
    with pytest.raises(ModelError, match=r"cong\.mdl can't be read .*; install the kiwipiepy_model"):
        kiwi_vectors._table.__wrapped__()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(kiwi_vectors, "distribution", missing)
    with pytest.raises(ModelError, match="kiwipiepy_model is not there; install"):
        kiwi_vectors._table.__wrapped__()


def test_words_of_each_kind_are_in_their_turns() -> None:
    turns = read_turns(["돈을 보내", "send me the money", "", "OK 알았어"])
    assert [turn.korean for turn in turns] == [True, False, False, True]
    korean, other = word_vectors(turns, korean=True), word_vectors(turns, korean=False)
    assert [len(own) for own in korean] == [len(turns[0].words), 0, 0, len(turns[3].words)]
    assert [len(own) for own in other] == [0, 4, 0, 0]
    assert np.allclose(other[1], sentence_vectors(["send", "me", "the", "money"]))
    assert (korean[0].shape[1], other[0].shape[1]) == (MORPHEME_WIDTH, WIDTH)


def _tower(width: int = 6, kernels: int = 5, classes: int = 3) -> Tower:
    draw = np.random.default_rng(0)

    def some(*shape: int) -> np.ndarray:
        return draw.normal(size=shape).astype(np.float32)

    size = kernels * len(RUNS)
    return Tower(
        some(width),
        tuple(some(run * width, kernels) for run in RUNS),
        some(size),
        some(size, classes),
        some(classes).astype(float),
    )


def test_no_kernel_looks_across_turns_and_a_window_has_the_strongest_answers() -> None:
    tower = _tower()
    draw = np.random.default_rng(1)
    turns = [draw.normal(size=(count, 6)).astype(np.float32) for count in (1, 7, 0, 3)]
    together = tower.answers(turns)
    assert np.allclose(together, np.concatenate([tower.answers([turn]) for turn in turns]), atol=1e-5)
    assert not together[2].any()
    assert together.min() == 0
    (scores,) = tower.scores(together, [Window(1, 4)])
    assert np.allclose(scores, together[1:4].max(axis=0) @ tower.weights + tower.intercept)
    with pytest.raises(ValueError, match="do not fit"):
        Tower(tower.centre, tower.kernels[::-1], tower.bias, tower.weights, tower.intercept)


def test_gradients_are_those_of_every_place_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(convolution_training, "WORDS_OUT", 0.0)
    monkeypatch.setattr(convolution_training, "COMPONENTS_OUT", 0.0)
    draw = np.random.default_rng(2)
    lengths, turns = np.array([3, 1, 0, 6]), np.array([0, 1, 3, 2, 1])
    said = Spoken(
        draw.normal(size=(9, 6)).astype(np.float32),
        draw.integers(0, 9, lengths.sum()),
        np.concatenate([[0], np.cumsum(lengths)]),
        turns,
        np.array([0, 2, 3, 4, 5]),
    )
    table = torch.from_numpy(np.concatenate([said.vectors, np.zeros((1, 6), np.float32)]))
    kernel = torch.from_numpy(draw.normal(size=(6, sum(RUNS), 5)).astype(np.float32)).requires_grad_()
    bias = torch.from_numpy(draw.normal(size=5 * len(RUNS)).astype(np.float32)).requires_grad_()
    ours = convolution_training._answers(convolution_training._Batches(said, table), np.arange(4), kernel, bias)
    plain = []
    for window in range(4):
        own = [
            said.words[said.starts[t] : said.starts[t + 1]]
            for t in turns[said.bounds[window] : said.bounds[window + 1]]
        ]
        for number, run in enumerate(RUNS):
            rows = kernel[:, sum(RUNS[:number]) : sum(RUNS[: number + 1])]
            answers = [torch.zeros(5)]
            for words in own:
                apart = np.concatenate([[9] * run, words, [9] * run])
                for place in range(run, run + len(words)):
                    first = place - (run - 1) // 2
                    vectors = table[torch.from_numpy(apart[first : first + run])]
                    answers.append(torch.einsum("rw,wrk->k", vectors, rows) + bias[number * 5 : number * 5 + 5])
            plain.append(torch.stack(answers).amax(dim=0))
    theirs = torch.cat(plain).reshape(4, -1)
    assert torch.allclose(ours, theirs, atol=1e-5)
    loss = torch.from_numpy(draw.normal(size=tuple(ours.shape)).astype(np.float32))
    for one, other in zip(
        torch.autograd.grad((ours * loss).sum(), (kernel, bias)),
        torch.autograd.grad((theirs * loss).sum(), (kernel, bias)),
        strict=True,
    ):
        assert one.abs().sum() > 1
        assert torch.allclose(one, other, atol=1e-4)


def test_numpy_answers_as_torch_does_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(convolution_training, "WORDS_OUT", 0.0)
    monkeypatch.setattr(convolution_training, "COMPONENTS_OUT", 0.0)
    items = [("돈 안 보내면 죽여 버린다", "알겠어요"), ("점심 먹었어",), ("you will pay for this",)]
    said = spoken(items, read(items))[True]
    targets, chosen = np.array([0, 1, 1]), np.arange(2)
    tower = train_tower(said, targets, np.ones(3), chosen, classes=2, epochs=3, kernels=4)
    table = placed(np.concatenate([said.vectors, np.zeros((1, MORPHEME_WIDTH), np.float32)]), tower.centre)
    batches = convolution_training._Batches(said, torch.from_numpy(table))
    runs = [kernel.reshape(run, MORPHEME_WIDTH, 4) for run, kernel in zip(RUNS, tower.kernels, strict=True)]
    kernel = torch.from_numpy(np.concatenate(runs).transpose(1, 0, 2).copy())
    theirs = convolution_training._answers(batches, np.arange(3), kernel, torch.from_numpy(tower.bias)).numpy()
    ours = [tower.answers(word_vectors(read_turns(turns), korean=True)).max(axis=0) for turns in items]
    assert np.allclose(theirs, np.stack(ours), atol=1e-4)
    assert not theirs[2].any(), "no Korean, no answer"


def test_a_network_learns_words_that_it_did_not_see_by_words_that_are_like_them() -> None:
    harmful = [("칼로 찌른다",), ("죽여 버린다",), ("때려 죽인다",), ("흉기로 찌를 거야",)]
    harmless = [("점심 먹자",), ("내일 만나",), ("밥 먹었니",), ("학교에 간다",)]
    items = [*harmful, *harmless] * 8
    targets = np.array([0] * 4 + [1] * 4).repeat(1)[np.arange(len(items)) % 8]
    said = spoken(items, read(items))[True]
    first, again = (
        train_tower(said, targets, np.ones(len(items)), np.arange(len(items)), classes=2, epochs=40, kernels=16)
        for _ in range(2)
    )
    assert all(np.array_equal(one, other) for one, other in zip(first.kernels, again.kernels, strict=True))
    asked = [turn for text in ("살해한다", "저녁 식사하자") for turn in read_turns([text])]
    scores = first.scores(first.answers(word_vectors(asked, korean=True)), [Window(0, 1), Window(1, 2)])
    assert scores.argmax(axis=1).tolist() == [0, 1]


def test_items_with_any_korean_are_korean() -> None:
    items = [("hello", "네 여보세요"), ("hello there",)]
    assert korean_items(items, read(items)).tolist() == [True, False]
    said = spoken(items, read(items))
    assert isinstance(said[True], Spoken)
    assert said[False].bounds.tolist() == [0, 2, 3]
