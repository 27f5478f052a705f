"""The learned detector: corpus, features, model file, probabilities, and how it joins the rules."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from include.errors import DocumentError, ModelError
from include.forensic import train
from include.forensic.detect import Passage, Place, detect
from include.forensic.learned import (
    CONTEXT,
    GROUPS,
    HARMLESS,
    LanguageModel,
    Prediction,
    Reading,
    combined,
    detector,
    own_examples,
    read_examples,
    read_model,
    solver,
    training,
    unmet,
    weighed,
    write_model,
)
from include.forensic.learned.classifier import Classifier, Linear, softmax, weighted
from include.forensic.learned.combine import (
    AGREEMENT,
    AGREEMENT_SHORT,
    GROUP_AGREEMENT,
    WELFARE,
)
from include.forensic.learned.corpus import Example
from include.forensic.learned.detector import ALONE_ODDS, ALONE_THRESHOLD, NEVER_ALONE, SHORT
from include.forensic.learned.features import BUCKETS, DENSE, is_korean, plain, read_turns, windows
from include.forensic.learned.labdata import OFTEN, YIELDING, beside, lab_examples, lab_files
from include.forensic.learned.stretches import STRETCH_CHARACTERS, stretches
from include.forensic.rulebook import load_taxonomy
from include.forensic.search import search
from include.forensic.vectors import sentence_vectors


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return LanguageModel.load()


def test_the_corpus_is_large_enough_and_nothing_stands_in_it_twice() -> None:
    examples = own_examples()
    letters = ["".join(c for c in "".join(example.turns).lower() if c.isalnum()) for example in examples]
    assert len(set(letters)) == len(letters)
    korean = [example for example in examples if is_korean(" ".join(example.turns))]
    harmful = {group: sum(group in example.labels for example in korean) for group in GROUPS}
    assert min(harmful.values()) >= 30, harmful
    assert sum(not example.labels for example in korean) >= 1200
    assert sum(bool(example.labels) for example in examples if not is_korean(" ".join(example.turns))) >= 250


def test_a_malformed_corpus_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "bad.tsv"
    file.write_text("labels\tscenario\ttext\n-\ta\t안녕하세요\nNONSENSE\ta\t안녕\n", encoding="utf-8")
    with pytest.raises(DocumentError, match="line 3"):
        list(read_examples(file))


def test_a_labs_files_are_recognised_by_their_columns(tmp_path: Path) -> None:
    (tmp_path / "dktc.tsv").write_text("label\ttext\nthreat\t하나 둘\\n셋 넷\nextortion\t다섯\n", encoding="utf-8")
    (tmp_path / "manip.tsv").write_text(
        "manipulative\ttechnique\tdialogue\n0\t\tPerson1: Hello there\\nPerson2: Hi\n", encoding="utf-8"
    )
    (tmp_path / "benign_ko.tsv").write_text("text\n안녕\n", encoding="utf-8")
    files = lab_files(tmp_path)
    assert [file.name for file in files] == ["dktc.tsv", "manip.tsv"]
    inside = tmp_path / "data" / "text"
    inside.mkdir(parents=True)
    (inside / "dktc.tsv").write_bytes(files[0].read_bytes())
    assert lab_files(inside.parent) == [inside / "dktc.tsv"]
    assert lab_examples(files[0])[0].turns == ("하나 둘", "셋 넷")
    assert lab_examples(files[0])[1].labels == ("EXTORTION",)
    assert lab_examples(files[1])[0] == Example((), "manip.0", ("Hello there", "Hi"), True)


def test_examples_of_a_group_that_a_lab_labels_yield_and_harmless_ones_do_not() -> None:
    own = [Example(("THREAT",), "a", ("가",)), Example(("DEBT",), "b", ("나",)), Example((), "c", ("다",))]
    lab = [Example(("THREAT",), "d", ("라",), whole=True), Example((), "e", ("마",), whole=True)]
    assert [example.weight for example in beside(own, lab)[0]] == [YIELDING, 1.0, 1.0]
    assert beside(own, []) == (own, [])


def test_networks_are_shown_a_labs_examples_more_often_but_not_more_than_the_projects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = [Example(("THREAT",), f"own.{number}", ("죽인다",)) for number in range(60)]
    lab = [Example(("THREAT",), "lab", ("라",), whole=True), Example((), "lab.2", ("마",), whole=True)]
    assert {example.times for example in beside(own, lab)[0]} == {1}
    assert {example.times for example in beside(own, lab)[1]} == {OFTEN}
    assert {example.times for example in beside(own[:6], lab)[1]} == {3}
    assert {example.times for example in beside(own[:1], lab)[1]} == {1}

    shown_to: list[list[int]] = []
    monkeypatch.setattr(training, "fit_towers", lambda *given: shown_to.append(given[-1].tolist()))
    items = training.shown([own[0], *beside(own[:6], lab)[1]], [0, 0, 0])
    training.fit_networks(items, {}, np.ones(len(items), dtype=bool), np.arange(3))
    assert shown_to == [[0, 1, 1, 1, 2, 2, 2]]


def test_the_card_of_a_labs_model_says_that_the_projects_examples_yield(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dktc.tsv").write_text("label\ttext\nthreat\t하나 둘\\n셋 넷\n", encoding="utf-8")
    seen: list[list[tuple[Path, list[Example], str]]] = []
    monkeypatch.setattr(train, "train_examples", lambda sources, out, name: seen.append(sources))
    for data in (tmp_path, None):
        train.train(data, tmp_path / "out", name="x")
    (own, lab), (alone,) = seen
    assert f"counts {YIELDING:g} times" in own[2]
    assert f"shown to networks {OFTEN} times a pass" in lab[2]
    assert "counts" not in alone[2]
    assert lab[0] == tmp_path / "dktc.tsv"
    assert {one.weight for one in own[1] if one.labels[:1] == ("THREAT",)} == {YIELDING}
    assert {one.weight for one in own[1] if not one.labels} == {one.weight for one in alone[1]} == {1.0}


def test_an_examples_weight_is_that_of_everything_it_is_shown_by() -> None:
    turns = tuple(f"{index} 번째로 한 말입니다" for index in range(24))
    harmless = [Example((), f"c{index}", (f"안녕하세요 {index}",)) for index in range(6)]
    heavy, light = Example(("DEBT",), "a", turns), Example(("DEBT",), "a", turns, weight=0.2)

    def weights(example: Example) -> list[float]:
        items = training.shown([example, example, *harmless], [0] * 8)
        return [item.weight for item in items if item.label == "DEBT"]

    assert len(weights(heavy)) > 8
    assert weights(light) == pytest.approx([0.2 * weight for weight in weights(heavy)])


def test_dialogues_that_share_a_long_turn_are_one_scenario(tmp_path: Path) -> None:
    shared = "이 문장은 두 대화에 똑같이 나오는 긴 문장이다"
    file = tmp_path / "dktc.tsv"
    file.write_text(f"label\ttext\nthreat\t{shared}\\n가\nthreat\t나\nthreat\t다\\n{shared}\n", encoding="utf-8")
    first, second, third = lab_examples(file)
    assert first.scenario == third.scenario != second.scenario


def test_windows_cover_every_turn_and_are_never_longer_than_asked() -> None:
    for turns in (1, 3, 16, 37):
        found = windows(turns, (1, 2, 4, 16))
        assert {index for item in found for index in range(item.first, item.last)} == set(range(turns))
        assert all(item.last - item.first <= 16 for item in found)
        assert len(found) == len(set(found))


def test_a_call_in_one_line_is_cut_into_stretches_of_their_turn() -> None:
    sentence = "안녕하세요 고객님 무엇을 도와드릴까요? "
    said, owner = stretches(["네", sentence * 40, "...", "가" * 250])
    assert max(map(len, said)) <= STRETCH_CHARACTERS
    assert " ".join(said[1 : owner.count(1) + 1]) == (sentence * 40).strip()
    assert all(part.endswith("?") for part in said[1 : owner.count(1) + 1])
    assert (owner[0], sorted(set(owner)), owner.count(3)) == (0, [0, 1, 3], 3)
    assert stretches(["", "?!"]) == ([], [])


def test_pieces_do_not_depend_on_spacing_or_punctuation_but_on_words() -> None:
    assert plain("죽여, 버릴 거야!!") == "죽여 버릴 거야"
    one, two, other = (
        set(turn.pieces.tolist()) for turn in read_turns(["죽여 버릴 거야.", "죽여버릴거야", "내일 만나요"])
    )
    shared = len(one & two) / len(one | two)
    assert shared > 0.8 > 0.2 > len(one & other) / len(one | other)


def test_vectors_do_not_depend_on_the_batch_and_an_empty_text_is_zero() -> None:
    alone = sentence_vectors(["돈을 보내 주세요"])
    together = sentence_vectors(["", "오늘 날씨가 좋네요", "돈을 보내 주세요"])
    assert np.allclose(alone[0], together[2], atol=1e-5)
    assert not together[0].any()


def test_folds_keep_a_scenario_together_and_strung_scenes_in_their_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "misheard", lambda turns, draw: turns)
    examples = own_examples()
    fold = training.folds(examples)
    home = {}
    for example, part in zip(examples, fold, strict=True):
        assert home.setdefault(example.scenario, part) == part
    where: dict[str, set[int]] = {}
    for example, part in zip(examples, fold, strict=True):
        for turn in example.turns:
            where.setdefault(turn, set()).add(part)
    for example, part in zip(examples, fold, strict=True):
        own = stretches(example.turns)[0]
        for stretch in [*own, *stretches([" ".join(own)])[0]]:
            where.setdefault(stretch, set()).add(part)
    for item in training.shown(examples, fold):
        assert all(item.fold in where[turn] for turn in item.turns)
        assert len(item.turns) <= training.LONGEST


def test_weights_are_those_of_a_squared_hinge_as_liblinear_solves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn import svm

    draw = np.random.default_rng(3)
    dense = draw.normal(size=(80, DENSE)).astype(np.float32)
    buckets = [np.unique(draw.integers(0, BUCKETS, 30)) for _ in range(80)]
    rows = solver.design((dense, buckets), solver.rarity(buckets))
    target, weights = np.eye(3, dtype=np.float32)[draw.integers(0, 2, 80)], draw.uniform(0.3, 2, 80)
    whole = np.hstack([rows.dense, rows.sparse.toarray()])
    asked = {"loss": "squared_hinge", "dual": True, "C": 1 / solver.RIDGE, "tol": 1e-7, "max_iter": 100_000}

    monkeypatch.setattr(solver, "CLOSE", 1e-5)
    monkeypatch.setattr(solver, "SETTLED", 1e-7)
    found = rows.scores(rows.weights(solver.solve(rows, target, weights)))
    for column in (0, 1):
        right = svm.LinearSVC(random_state=0, **asked).fit(whole, target[:, column], sample_weight=weights / 2)
        assert np.abs(found[:, column] - right.decision_function(whole)).max() < 1e-3
    assert (found[:, 2] < 0).all(), "a class without windows"
    with pytest.raises(ModelError, match="not finite"):
        solver.solve(rows, target * np.float32("nan"), weights)


def test_the_weights_of_a_class_of_one_window_are_found_beside_large_ones() -> None:
    from scipy import sparse
    from sklearn import svm

    draw = np.random.default_rng(4)
    dense = (draw.normal(size=(4000, DENSE)) / 8).astype(np.float32)
    buckets = [np.unique(draw.integers(0, BUCKETS, 30)) for _ in range(4000)]
    rows = solver.design((dense, buckets), solver.rarity(buckets))
    label = draw.integers(0, 2, 4000)
    label[7] = 2
    found = rows.scores(rows.weights(solver.solve(rows, np.eye(3, dtype=np.float32)[label], np.ones(4000))))
    right = svm.LinearSVC(loss="squared_hinge", dual=True, C=0.5 / solver.RIDGE, tol=1e-5, random_state=0)
    everything = sparse.hstack([sparse.csr_matrix(rows.dense), rows.sparse]).tocsr()
    expected = right.fit(everything, label == 2).decision_function(everything)
    assert np.abs(found[:, 2] - expected).max() < 0.02


def test_a_small_training_set_is_learned_and_the_same_every_time() -> None:
    lines = [("오늘 점심 뭐 먹을까", HARMLESS), ("내일 몇 시에 만나", HARMLESS)]
    lines += [("너 죽여 버린다", "THREAT"), ("칼로 찔러 버릴 거야", "THREAT"), ("돈 안 내놓으면 뿌린다", "EXTORTION")]
    items = [(text,) for text, _ in lines]
    numbered = training.numbers(items, training.read(items))
    labels, weights = [label for _, label in lines], [1.0] * len(lines)
    first, second = (training.fit(numbered, labels, weights) for _ in range(2))
    scores = first.scores(*numbered)
    assert [training.CLASSES[index] for index in scores.argmax(axis=1)] == labels
    assert np.array_equal(scores, second.scores(*numbered))


def test_calibration_moves_the_share_of_harm_to_the_prior() -> None:
    draw = np.random.default_rng(1)
    labels = [HARMLESS, "THREAT"] * 200
    scores = draw.normal(0, 0.3, (400, len(training.CLASSES)))
    for row, label in enumerate(labels):
        scores[row, training.CLASSES.index(label)] += 0.3
    korean = np.ones(400, dtype=bool)
    (slopes, half), (same, rare) = (training.calibrated([scores], korean, labels, prior) for prior in (0.5, 0.02))
    assert np.array_equal(slopes, same)
    assert abs(softmax(weighted([scores], korean, slopes) + half)[:, -1].mean() - 0.5) < 0.03
    moved = (rare[-1] - rare[:-1]) - (half[-1] - half[:-1])
    assert np.allclose(moved, np.log(0.98 / 0.02))


def test_long_windows_calibrate_and_those_of_a_class_without_any() -> None:
    sizes = {"THREAT": (SHORT, SHORT + 1), HARMLESS: (1, SHORT + 1, 16), "STALKING": (1, 2)}
    items = [training.Shown(("네",) * size, label, 1.0, 0) for label, own in sizes.items() for size in own]
    chosen = [(items[row].label, len(items[row].turns)) for row in training.calibrating(items)]
    assert chosen == [("THREAT", SHORT + 1), (HARMLESS, SHORT + 1), (HARMLESS, 16), ("STALKING", 1), ("STALKING", 2)]


def test_a_group_of_many_examples_is_no_more_probable_for_them() -> None:
    labels = [HARMLESS, "THREAT", "THREAT", "THREAT", "EXTORTION"] * 60
    scores = np.random.default_rng(2).normal(0, 0.01, (len(labels), len(training.CLASSES)))
    korean = np.ones(len(labels), dtype=bool)
    slopes, offset = training.calibrated([scores], korean, labels, 0.4)
    mean = softmax(weighted([scores], korean, slopes) + offset).mean(axis=0)
    found = dict(zip(training.CLASSES, mean, strict=True))
    assert abs(found["THREAT"] - 0.2) < 0.02
    assert abs(found["EXTORTION"] - 0.2) < 0.02
    assert abs(found[HARMLESS] - 0.6) < 0.04


def test_phishing_is_assumed_more_frequent_than_another_group_and_the_card_says_so(model: LanguageModel) -> None:
    labels = [HARMLESS, "VISHING", "EXTORTION"] * 60
    scores = np.random.default_rng(2).normal(0, 0.01, (len(labels), len(training.CLASSES)))
    korean = np.ones(len(labels), dtype=bool)
    slopes, offset = training.calibrated([scores], korean, labels, 0.1)
    mean = softmax(weighted([scores], korean, slopes) + offset).mean(axis=0)
    found = dict(zip(training.CLASSES, mean, strict=True))
    assert found["VISHING"] / found["EXTORTION"] == pytest.approx(training.LIKELIER["VISHING"], rel=0.1)
    assert model.card.favoured == training.LIKELIER


def test_a_member_counts_where_it_tells_something_and_a_kind_of_language_has_its_own_slopes() -> None:
    draw = np.random.default_rng(4)
    labels = [HARMLESS, "THREAT"] * 300
    korean = np.arange(600) < 300
    right = np.eye(len(training.CLASSES))[[training.CLASSES.index(label) for label in labels]]
    noise = draw.normal(0, 0.5, (2, 600, len(training.CLASSES)))
    members = [noise[0] + right * korean[:, None], noise[1] + right * ~korean[:, None]]
    slopes, _ = training.calibrated(members, korean, labels, 0.5)
    assert slopes[0, 0] > 3 * slopes[0, 1]
    assert slopes[1, 1] > 3 * slopes[1, 0]


def test_the_shipped_model_saw_nothing_but_the_projects_examples(model: LanguageModel) -> None:
    (source,) = model.card.trained_on
    assert source.name == "corpus"
    assert "written for this project" in source.licence
    assert source.examples == len(own_examples()), "the corpus changed: run make train"


def test_the_shipped_model_tells_plain_cases(model: LanguageModel) -> None:
    harmful = {
        "THREAT": ["너 오늘 밤에 찾아가서 죽여 버릴 거야"],
        "EXTORTION": ["내일까지 삼백만 원 안 보내면 영상을 다 뿌릴 거야"],
        "VISHING": ["서울중앙지검 수사관인데요", "본인 명의 통장이 범죄에 사용돼서 안전 계좌로 돈을 옮기셔야 합니다"],
    }
    for group, turns in harmful.items():
        found = model.predict(turns)
        assert max(found.values(), key=lambda item: item.probability).group == group
    for text in ("배고파 죽겠다 밥 먹으러 가자", "내일 세 시에 병원 예약돼 있어요", "See you at the station at five."):
        assert max(item.probability for item in model.predict([text]).values()) < 0.5


def test_the_span_holds_the_turn_that_carries_a_group(model: LanguageModel) -> None:
    turns = ["여보세요", "", "네 안녕하세요 오늘 날씨가 좋네요"] * 4
    turns[6] = "돈 안 내놓으면 칼로 찔러 죽여 버린다"
    found = model.predict(turns)
    worst = max(found.values(), key=lambda item: item.probability)
    assert worst.first <= 6 < worst.last
    assert model.predict(["", " "]) == {}


def test_a_long_call_is_predicted_the_same_twice(model: LanguageModel) -> None:
    draw = random.Random(2)
    harmless = [turn for example in own_examples() if not example.labels for turn in example.turns]
    call = draw.choices(harmless, k=150)
    assert model.predict(call) == model.predict(call)


def test_a_model_that_is_not_its_cards_is_refused(tmp_path: Path, model: LanguageModel) -> None:
    count = len(training.CLASSES)
    tiny = Classifier(
        training.CLASSES,
        Linear(np.zeros((DENSE, count), np.float32), np.zeros((BUCKETS, count), np.float32), np.zeros(count)),
        {},
        np.ones((2, 2)),
        np.zeros(count),
    )
    card = write_model(tmp_path, tiny, model.card.model_copy(update={"name": "tiny"}))
    assert card.arrays_sha256 == hashlib.sha256((tmp_path / "model.npz").read_bytes()).hexdigest()
    assert read_model(tmp_path)[1].id.startswith("tiny@")
    packed = (tmp_path / "model.npz").read_bytes()
    (tmp_path / "model.npz").write_bytes(packed + b"x")
    with pytest.raises(ModelError, match="not the file that its card names"):
        read_model(tmp_path)
    (tmp_path / "model.npz").write_bytes(packed)
    data = json.loads((tmp_path / "card.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps({**data, "features": "0"}))
    with pytest.raises(ModelError, match="make it again"):
        read_model(tmp_path)
    with pytest.raises(ModelError, match="holds no language model"):
        read_model(tmp_path / "nowhere")


def test_a_pickle_in_a_model_is_not_opened(tmp_path: Path, model: LanguageModel) -> None:
    bad = tmp_path / "model.npz"
    with bad.open("wb") as stream:
        np.savez(stream, dense=np.array([object()], dtype=object), allow_pickle=True)
    text = model.card.model_dump(by_alias=True)
    text["arrays_sha256"] = hashlib.sha256(bad.read_bytes()).hexdigest()
    (tmp_path / "card.json").write_text(json.dumps(text))
    with pytest.raises(ModelError, match="does not hold the arrays"):
        read_model(tmp_path)


def test_thresholds_leave_out_what_the_rules_were_tested_with() -> None:
    harmless = [Example((), "ko.none.a.1", ("안녕하세요",))] * 400 + [
        Example((), "X.KO.silent", ("모기를 죽일 거야",))
    ] * 400
    examples = [*harmless, Example(("THREAT",), "ko.b.1", ("죽일 거야",))]
    probabilities = np.full((801, len(GROUPS) + 1), 0.1)
    probabilities[:3, 0] = (0.9, 0.8, 0.7)
    probabilities[400:800, 0] = 0.99
    probabilities[800, :] = 1.0
    found = train._thresholds(probabilities, examples)
    assert found["THREAT"] == 0.7
    assert found["DEBT"] == train.LOWEST_THRESHOLD


def test_only_what_reaches_its_threshold_is_a_finding(model: LanguageModel) -> None:
    edge = model.card.thresholds["THREAT"]
    over, under = Prediction("THREAT", edge, 0, 1), Prediction("INSULT", model.card.thresholds["INSULT"] - 0.01, 0, 1)
    groups = {"INSULT": under, "THREAT": over}
    assert model.findings(Reading(groups, [0.9] * 9, 9)) == [over]
    assert model.findings(Reading(groups, [0.9], 9)) == [over], "a call in one line"
    assert model.findings(Reading(groups, [0.9], 1)) == [], "a sentence by itself"
    sure = Prediction("THREAT", ALONE_THRESHOLD, 0, 1)
    assert model.findings(Reading({"THREAT": sure}, [0.9], 1)) == [sure]
    denied = Prediction(NEVER_ALONE, 0.99, 0, 1)
    assert model.findings(Reading({NEVER_ALONE: denied}, [0.9] * 2, 2)) == [], "who denies may be right"
    assert model.findings(Reading({NEVER_ALONE: denied}, [0.9] * 3, 3)) == [denied]


def test_stretches_are_counted_not_turns(model: LanguageModel) -> None:
    line = "저는 오늘 시장에 가서 사과하고 배를 사고 집에 와서 저녁을 했습니다. " * 8
    assert model.read([line]).stretches > 2
    assert model.read(["네"]).stretches == 1
    assert model.read([]).stretches == model.read(["…"]).stretches == 0


def _reading(turns: int, **groups: float) -> Reading:
    return Reading({name: Prediction(name, value, 0, 1) for name, value in groups.items()}, [0.5] * turns, turns)


def test_rules_raise_the_models_probability_and_keep_its_order() -> None:
    found = combined(_reading(1, THREAT=0.2, EXTORTION=0.6, INSULT=0.4), {"THREAT", "EXTORTION"}, {"THREAT", "INSULT"})
    assert found == {"THREAT": 0.6, "EXTORTION": 0.8, "INSULT": 0.2}


def test_a_rule_raises_what_the_model_takes_the_scene_for_too_if_it_is_sure_enough() -> None:
    sure = combined(_reading(8, THREAT=0.1, EXTORTION=0.4), {"THREAT"})
    assert sure == {"THREAT": 0.55, "EXTORTION": 0.7}
    unsure = combined(_reading(8, THREAT=0.001, EXTORTION=0.004), {"THREAT"})
    assert unsure == {"THREAT": 0.5005, "EXTORTION": 0.004}
    assert combined(_reading(8, THREAT=0.2, EXTORTION=0.4), ()) == {"THREAT": 0.2, "EXTORTION": 0.4}


def test_a_doubted_match_lowers_its_group_in_a_short_dialogue_only() -> None:
    assert combined(_reading(2, THREAT=0.4), (), {"THREAT"}) == {"THREAT": 0.2}
    assert combined(_reading(9, THREAT=0.4), (), {"THREAT"}) == {"THREAT": 0.4}


def test_a_match_that_only_the_model_holds_back_does_not_lower_its_group(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = {group: Prediction(group, 0.3 if group == "THREAT" else 0.001, 0, 1) for group in GROUPS}
    monkeypatch.setattr(model, "read", lambda _turns: Reading(groups, [0.3], 1))
    held = search([Passage("a", "넌 내 손에 죽는다")], ["ko"], load_taxonomy(), model)
    assert (held.hits, {item.filter for item in held.set_aside}) == ([], {CONTEXT})
    assert held.categories["THREAT"] == 0.3
    joke = search([Passage("a", "너 죽여 버린다 농담이야")], ["ko"], load_taxonomy(), model)
    assert joke.categories["THREAT"] == 0.15


def _sure(harm: list[float], scene: float = 0.9, others: float = GROUP_AGREEMENT) -> Reading:
    groups = {group: Prediction(group, others, 0, 1) for group in GROUPS}
    return Reading(groups | {"THREAT": Prediction("THREAT", scene, 0, 1)}, harm, len(harm))


def test_the_model_holds_back_weak_matches_and_never_a_plain_threat() -> None:
    taxonomy = load_taxonomy()
    threat, insult = (
        detect([Passage("a", text)], "ko", taxonomy) for text in ("너 죽여 버릴 거야", "이 쓰레기 같은 놈아")
    )
    assert [hit.severity for hit in threat + insult] == [3, 2]
    for reading, kept in (
        (_sure([0.9]), [*threat, *insult]),
        (_sure([0.9], scene=0.01), threat),
        (_sure([0.9], others=GROUP_AGREEMENT - 0.001), threat),
        (_sure([AGREEMENT_SHORT]), [*threat, *insult]),
        (_sure([AGREEMENT_SHORT - 0.01]), threat),
        (_sure([AGREEMENT_SHORT] + [0.0] * SHORT), threat),
        (_sure([AGREEMENT] + [0.0] * SHORT), [*threat, *insult]),
        (_sure([0.0]), threat),
    ):
        found, held = weighed([*threat, *insult], reading)
        assert found == kept
        assert [item.filter for item in held] == [CONTEXT] * (2 - len(kept))


def test_a_match_of_several_places_needs_the_model_whatever_its_severity() -> None:
    said = [Passage("a", "각서에 도장 찍어"), Passage("b", "왜요"), Passage("a", "안 찍으면 오늘 여기서 못 나간다")]
    hits = [replace(hit, related=(Place(0, 0, 2),), severity=4) for hit in detect(said, "ko", load_taxonomy())]
    assert hits
    found, held = weighed(hits, _sure([0.01, 0.0, 0.01]))
    assert found == []
    assert {item.filter for item in held} == {CONTEXT}
    assert weighed(hits, _sure([0.9, 0.9, 0.9]))[0] == hits
    elsewhere = _sure([0.9, 0.9, 0.9], others=GROUP_AGREEMENT - 0.001)
    assert weighed(hits, elsewhere)[0] == [], "the call is of another group"


def test_a_welfare_flag_needs_nothing_of_the_model() -> None:
    (flag,) = detect([Passage("a", "그냥 다 끝내고 죽고 싶어")], "ko", load_taxonomy())
    assert flag.family == WELFARE
    assert weighed([flag], _sure([0.0] * (SHORT + 1), scene=0.0, others=0.0))[0] == [flag]


@pytest.mark.parametrize("said", ["죽고 싶다", "요즘 그냥 죽고 싶어", "이제 그만 살고 싶어요", "살기 싫다"])
def test_who_would_rather_not_live_is_heard_between_ordinary_things(said: str) -> None:
    before = ["밥은 먹었어?", "응 아까 먹었지", "내일 비 온다더라", "우산 챙겨야겠네"]
    after = ["아 맞다 세탁기 고쳤어", "얼마 들었는데", "오만 원", "비싸네"]
    found = search(
        [Passage("ab"[n % 2], text) for n, text in enumerate([*before, said, *after])], ["ko"] * 9, load_taxonomy()
    )
    assert WELFARE in {hit.family for hit in found.hits}


def test_one_or_two_korean_sentences_have_other_odds_and_calls_and_english_do_not(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [
        ["오늘 밤에 니네 집 앞에서 기다린다"],
        ["오늘 밤에 니네 집 앞에서 기다린다"] * 3,
        ["I'll be waiting outside"],
    ]
    moved = [model.read(text) for text in texts]
    monkeypatch.setattr(detector, "ALONE_ODDS", 1.0)
    plain = [model.read(text) for text in texts]
    assert moved[1:] == plain[1:]
    (odds,), (before,) = ([p / (1 - p) for p in reading.harm] for reading in (moved[0], plain[0]))
    assert odds / before == pytest.approx(ALONE_ODDS, rel=0.01)
    assert all(moved[0].groups[name].probability >= item.probability for name, item in plain[0].groups.items())


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script> 죽여버린다", "오늘 날씨 좋네 밥은 먹었어 죽여버린다 너 커피 마실래 그래 안녕"]
)
def test_what_is_said_beside_a_threat_does_not_hide_it(text: str) -> None:
    found = search([Passage("a", text)], ["ko"], load_taxonomy())
    assert "THREAT.DIRECT" in {hit.category for hit in found.hits}
    assert found.categories["THREAT"] >= 0.5


def test_a_flag_is_held_back_together_with_the_finding_that_it_stood_beside() -> None:
    call = [
        Passage("a", "서울중앙지검 수사관입니다, 안전계좌로 이체하셔야 됩니다"),
        Passage("b", "네"),
        Passage("a", "이 내용은 아무한테도 말씀하지 마세요"),
    ]
    hits = detect(call, "ko", load_taxonomy())
    assert {hit.category for hit in hits} >= {"VISHING.AGENCY", "VISHING.STAGE.ISOLATION"}
    assert weighed(hits, _sure([0.0, 0.0, 0.9]))[0] == []
    assert len(weighed(hits, _sure([0.9, 0.0, 0.9]))[0]) == len(hits)


def test_a_model_finding_is_dropped_where_a_rule_of_its_group_fired() -> None:
    found = [Prediction("THREAT", 0.9, 2, 4), Prediction("INSULT", 0.9, 2, 4)]
    assert unmet(found, {("THREAT", 3), ("INSULT", 5)}) == [found[1]]
