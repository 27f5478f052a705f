"""Findings located in a recording, scores, and dialogues as text."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from include.cli import app
from include.errors import LanguageError
from include.forensic import (
    Analysis,
    Finding,
    SetAsidePassage,
    Turn,
    analyze_text,
    analyze_text_lines,
    analyze_transcript,
    settings_digest,
)
from include.forensic.scores import review_order
from include.stt import NotMeasured, Transcript, Word
from tests.unit.forensic_factory import SHA, make_segment, make_transcript, make_words


def analyze(transcript: Transcript) -> Analysis:
    return analyze_transcript(transcript, transcript_name="a_transcript.json", transcript_sha256=SHA, channels=None)


def by_rule(transcript: Transcript) -> list[Finding | SetAsidePassage]:
    """What matched a rule, be it that a filter set it aside: where matches lie is asked here, not what counts."""
    result = analyze(transcript)
    return [*(one for one in result.findings if one.found_by == "rule"), *result.set_aside]


def test_a_finding_is_located_by_its_words() -> None:
    result = analyze(
        make_transcript(
            [
                make_segment("여보세요 누구세요", 0.0, "channel-1"),
                make_segment("나야. 너 진짜 죽여 버릴 거야. 알았어?", 5.0, "channel-2"),
                make_segment("왜 그러세요", 10.0, "channel-1"),
            ]
        )
    )
    (finding,) = result.findings
    assert (finding.id, finding.category, finding.rule) == ("F001", "THREAT.DIRECT", "THREAT.DIRECT.KO.KILL")
    assert finding.span.text == "죽여 버릴 거야."
    assert (finding.span.segment, finding.span.speaker) == (1, "channel-2")
    assert (finding.span.start, finding.span.end, finding.span.timing) == (6.5, 7.9, "attention")
    assert finding.context.sentence == "너 진짜 죽여 버릴 거야."
    assert (finding.context.before, finding.context.after) == ("나야.", "알았어?")
    assert finding.asr_confidence == 0.8
    assert finding.confirmation == NotMeasured(reason="The passage was not decoded again.")


def test_the_neighbours_give_context_where_the_segment_has_none() -> None:
    result = analyze(
        make_transcript(
            [make_segment("뭐라고", 0.0, "b"), make_segment("죽여버린다", 3.0, "a"), make_segment("왜요", 6.0, "b")]
        )
    )
    context = result.findings[0].context
    assert (context.before, context.sentence, context.after) == ("뭐라고", "죽여버린다", "왜요")


def test_a_sentence_cut_by_the_decoder_is_read_whole() -> None:
    result = analyze(make_transcript([make_segment("또 신고하면", 1.0, "a"), make_segment("가만 안 둬", 2.2, "a")]))
    (finding,) = result.findings
    assert finding.category == "THREAT.CONDITIONAL"
    assert finding.span.segment == 0
    assert finding.span.text == "신고하면 가만 안 둬"
    assert (finding.span.start, finding.span.end) == (1.5, 3.6)


def test_two_speakers_words_are_never_joined() -> None:
    segments = [make_segment("또 신고하면", 1.0, "a"), make_segment("처리해 드려요", 2.2, "b")]
    assert by_rule(make_transcript(segments)) == []
    segments = [make_segment("신고하면", 1.0, "a"), make_segment("가만 안 둬", 2.2, "b")]
    assert [item.category for item in by_rule(make_transcript(segments))] == ["THREAT.DIRECT"]


@pytest.mark.parametrize("broken", ["no words", "no time", "other words"])
def test_without_word_times_the_segment_gives_them(broken: str) -> None:
    words = {
        "no words": [],
        "no time": [Word(text="죽여버린다", start=None, end=None, score=None, timing="none")],
        "other words": [Word(text="다른", start=1.0, end=1.1, score=None, timing="attention")],
    }[broken]
    result = analyze(make_transcript([make_segment("죽여버린다", 7.0, "a", end=9.0, words=words)]))
    span = result.findings[0].span
    assert (span.start, span.end, span.timing) == (7.0, 9.0, "segment")


def test_mixed_timing_is_the_weaker() -> None:
    words = make_words("죽여", 1.0, timing="acoustic") + make_words("버린다", 2.0, timing="attention")
    result = analyze(make_transcript([make_segment("죽여 버린다", 1.0, "a", words=words)]))
    assert result.findings[0].span.timing == "attention"


def test_a_combination_names_all_its_passages() -> None:
    lines = ["서울중앙지검 김민수 수사관입니다", "본인 명의 통장이 나왔습니다", "안전계좌로 이체하셔야 합니다"]
    segments = [make_segment(line, 10.0 * number, "a") for number, line in enumerate(lines)]
    found = analyze(make_transcript(segments)).findings
    (finding,) = [item for item in found if not item.category.startswith("VISHING.STAGE")]
    assert (finding.category, finding.severity, finding.span.segment) == ("VISHING.AGENCY", 4, 2)
    assert [span.segment for span in finding.related] == [0]
    split = [make_segment(line, 10.0 * number, f"s{number}") for number, line in enumerate(lines)]
    assert by_rule(make_transcript(split)) == []


def test_a_quoted_threat_is_shown_as_ambiguous() -> None:
    (finding,) = analyze(make_transcript([make_segment("너 죽여버린다고 했어", 0.0, "a")])).findings
    assert finding.severity == 1
    assert [(item.kind, item.start) for item in finding.counter_evidence] == [("quotation", 0.5)]


def test_a_joke_and_an_answer_in_kind_are_shown() -> None:
    (one,) = analyze(
        make_transcript([make_segment("죽여버린다", 0.0, "a"), make_segment("농담이야", 3.0, "a")])
    ).findings
    assert (one.severity, [item.kind for item in one.counter_evidence]) == (1, ["joke"])
    both = analyze(
        make_transcript([make_segment("죽여버린다", 0.0, "a"), make_segment("너야말로 죽여버린다", 3.0, "b")])
    )
    assert [[item.kind for item in finding.counter_evidence] for finding in both.findings] == [["reciprocity"]] * 2
    assert [finding.severity for finding in both.findings] == [3, 3]


def test_english_speech_without_punctuation() -> None:
    texts = [
        "i will kill you if you call the police again",
        "pay me five thousand dollars or i will send the video to your boss",
    ]
    segments = [make_segment(text, 20.0 * number, "channel-1") for number, text in enumerate(texts)]
    found = analyze(make_transcript(segments, language="en")).findings
    assert [(item.category, item.span.segment) for item in found] == [("THREAT.CONDITIONAL", 0), ("EXTORTION", 1)]


def test_what_was_not_measured_says_so() -> None:
    other = analyze(make_transcript([make_segment("hola", 0.0)], language="es"))
    assert isinstance(other.findings, NotMeasured)
    assert "'es'" in other.findings.reason
    assert other.scores.review_order == other.findings
    assert other.scores.counts == {}
    empty = analyze(make_transcript([], language="und", empty_reason="No speech was found."))
    assert empty.findings == NotMeasured(reason="No speech was found.")
    for value in (other.acoustics, other.waveform, other.emotion, other.stress, other.cross_checks):
        assert isinstance(value, NotMeasured)
        assert value.reason


def test_scores_count_and_order() -> None:
    segments = [
        make_segment("죽여버린다", 0.0, "a"),
        make_segment("칼로 찔러 버린다", 20.0, "a"),
        make_segment("네", 30.0, "b"),
    ]
    result = analyze(make_transcript(segments))
    assert result.scores.counts == {"THREAT.DIRECT": {"3": {"a": 1}, "4": {"a": 1}}}
    assert result.scores.per_audio_hour == {"THREAT.DIRECT": 120.0}
    unconfirmed = {"n1": 0, "n2": 0, "n3": 0, "n4": 0, "unconfirmed": 2, "duration_s": 60.0}
    assert result.scores.inputs == unconfirmed
    assert isinstance(result.scores.review_order, NotMeasured)
    assert review_order([]) == 0 < review_order([1]) < review_order([4]) < review_order([4] * 50) <= 100
    harmless = analyze(make_transcript([make_segment("여보세요 배고파 죽겠어", 0.0, "a")]))
    assert (harmless.findings, harmless.scores.review_order) == ([], 0.0)


def test_hostile_text_comes_through_as_text() -> None:
    (found,) = by_rule(make_transcript([make_segment("<script>alert(1)</script> 죽여버린다 & \x1b[31m", 0.0)]))
    assert found.context.sentence.startswith("<script>")


def test_the_settings_digest_follows_the_parameters(monkeypatch) -> None:
    before = settings_digest()
    assert before == settings_digest()
    assert len(before) == 64
    monkeypatch.setattr("include.forensic.passages.JOIN_GAP_S", 2.0)
    assert settings_digest() != before


def test_text_lines() -> None:
    lines = [
        json.dumps({"id": "x", "turns": [{"text": "네"}, {"speaker": "b", "text": "돈 안 주면 영상 뿌린다"}]}),
        "배고파 죽겠어\n",
        "\n",
        "{broken",
        json.dumps({"id": 4, "turns": "no"}),
        "I'm gonna kill you",
        json.dumps({"id": 5, "language": "xx", "turns": []}),
    ]  # fmt: skip
    out = [json.loads(line) for line in analyze_text_lines(lines)]
    assert len(out) == 6
    first = out[0]
    assert first["id"] == "x"
    assert {group for group, value in first["categories"].items() if value >= 0.5} == {"EXTORTION", "THREAT"}
    finding = first["findings"][-1]
    assert (finding["turn"], finding["probability"], finding["filters"]) == (1, None, [])
    assert set(finding) == {"category", "severity", "turn", "text", "rule_or_model", "probability", "filters"}
    assert (out[1]["id"], out[1]["findings"], out[1]["review_order"]) == (2, [], 0.0)
    assert max(out[1]["categories"].values()) < 0.5
    assert out[2]["id"] is None
    assert "Line 4" in out[2]["error"]
    assert "Line 5: turns" in out[3]["error"]
    assert {group for group, value in out[4]["categories"].items() if value >= 0.5} == {"THREAT"}
    assert "Line 7" in out[5]["error"]


def test_an_ambiguous_finding_raises_no_category() -> None:
    result = analyze_text([Turn(text="걔한테 너 죽여버린다고 했어")])
    assert [(item.severity, item.filters) for item in result.findings] == [(1, ["quotation"])]
    assert max(result.categories.values()) < 0.5


def test_a_language_without_rules_is_refused_for_text() -> None:
    with pytest.raises(LanguageError, match="'fr'"):
        analyze_text([Turn(text="bonjour")], language="fr")


BENIGN = Path(os.environ.get("VOICEMAN_EVAL_DATA", "../shared/data")) / "text" / "benign_ko.tsv"


@pytest.mark.skipif(not BENIGN.is_file(), reason="development data not at hand")
def test_no_false_alarm_on_ordinary_sentences() -> None:
    sentences = BENIGN.read_text(encoding="utf-8").splitlines()[1::4]  # all 4,000: eval/text.py
    assert len(sentences) >= 1000
    found = [(text, item) for text in sentences for item in analyze_text([Turn(text=text)], language="ko").findings]
    by_rule = [item for _, item in found if item.probability is None]
    # 5 and 2 of 4,000 when this was written; two of the five are insults that the list itself holds
    assert len(by_rule) <= 0.002 * len(sentences)
    assert len(found) - len(by_rule) <= 0.002 * len(sentences), "findings of the language model"


def test_dialogues_come_from_a_file_that_is_named_or_from_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "dialogues.txt"
    file.write_text("너 죽여버릴 거야\n점심 뭐 먹을까\n", encoding="utf-8")
    asked = CliRunner().invoke(app, ["analyze", "--text", str(file)])
    assert [bool(json.loads(line)["findings"]) for line in asked.stdout.splitlines()] == [True, False]
    for arguments in (["analyze", "--text"], ["analyze", "--text", "-"]):
        assert CliRunner().invoke(app, arguments, input=file.read_bytes()).stdout == asked.stdout
    absent = CliRunner().invoke(app, ["analyze", "--text", str(tmp_path / "no.txt")])
    assert "name a file of dialogues" in str(absent.exception)
    refused = CliRunner().invoke(app, ["analyze", "--text", "--out", str(tmp_path / "out.json")], input="x\n")
    assert refused.exit_code == 2
    assert not (tmp_path / "out.json").exists()
