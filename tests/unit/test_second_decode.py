"""Findings decoded again: which passages, what comes back, and that nothing unconfirmed raises the order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from include.forensic import SecondDecodes, analyze_transcript, located, wanted_passages
from include.forensic import second_decode as module
from include.stt import Confirmation, NotMeasured, Passage, Transcript, decode_again
from include.stt.confirmation import Alternative, Variant
from tests.unit.forensic_factory import SHA, make_segment, make_transcript

RATE = 16000


class Hearing:
    """Stands for a Confirmer: every window is heard as a text that the test chooses."""

    def __init__(self, *texts: str) -> None:
        self.texts, self.spans = texts, []

    def confirm_many(self, spans: Any) -> list[Confirmation]:
        self.spans += spans
        return [
            Confirmation(
                start=span.start, end=span.end, language=span.language, words=[], agreement=0.0, verdict="differs",
                reason="", variants=[_variant(text, span) for text in self.texts],
            )
            for span in spans
        ]  # fmt: skip


def _variant(text: str, span: Any) -> Variant:
    return Variant(
        model="base", beam_size=5, start=span.start - 0.5, end=span.end + 0.5, text=text, heard="", inserted=[],
        agreement=0.0, avg_logprob=-0.2, no_speech_prob=0.0, alternatives=[Alternative(text=text, avg_logprob=-0.2)],
    )  # fmt: skip


def analysed(transcript: Transcript, *texts: str):
    words = located(transcript)
    passages = wanted_passages(transcript, words.findings)
    hearing = Hearing(*texts)
    silence = [np.zeros(RATE * 60, np.int16)]
    decodes = SecondDecodes.of(passages, decode_again(hearing, silence, passages))
    decodes = SecondDecodes.load(decodes.to_json().encode(), name="x")
    result = analyze_transcript(
        transcript, transcript_name="a_transcript.json", transcript_sha256=SHA, channels=None, words=words,
        second_decodes=decodes,
    )  # fmt: skip
    return [one for one in result.findings if one.found_by == "rule"], result, hearing


KILL = make_transcript([make_segment("너 진짜 죽여 버릴 거야", 5.0, "a")])


def test_words_that_are_heard_again_confirm_and_raise_the_order() -> None:
    (finding,), result, hearing = analysed(KILL, "너 진짜 죽여 버릴 거야", "죽여버릴거야 알았어")
    assert finding.confirmation.status == "confirmed"
    (decoding,) = finding.confirmation.decodings
    assert [one.heard for one in decoding.variants] == ["죽여버릴거야", "죽여버릴거야"]
    assert decoding.variants[0].alternatives[0].text == "너 진짜 죽여 버릴 거야"
    assert (decoding.variants[0].start, hearing.spans[0].start) == (5.5, 5.0)  # a window of its own, times put back
    assert result.scores.review_order > 0
    assert result.scores.rates[0].confirmed == 1


def test_other_words_are_shown_and_raise_nothing() -> None:
    (finding,), result, _ = analysed(KILL, "너 진짜 주문 버릴 거야", "밥 먹으러 갈 거야")
    assert finding.confirmation.status == "unconfirmed"
    assert "not the same" in finding.confirmation.detail
    rules = [one for one in result.findings if one.found_by == "rule"]
    assert all(one.confirmation.status == "unconfirmed" for one in rules)
    assert result.scores.inputs["n3"] == 0


def test_a_denial_between_the_words_unmakes_a_confirmation() -> None:
    (finding,), _, _ = analysed(KILL, "죽여 안 버릴 거야", "죽여 안 버릴 거야")
    assert finding.confirmation.status == "unconfirmed"


def test_without_a_second_decode_the_reason_stands_and_there_is_no_order() -> None:
    result = analyze_transcript(
        KILL, transcript_name="a_transcript.json", transcript_sha256=SHA, channels=None,
        second_decodes=SecondDecodes.of([], NotMeasured(reason="no room")),
    )  # fmt: skip
    assert result.findings[0].confirmation == NotMeasured(reason="no room")
    assert isinstance(result.scores.review_order, NotMeasured)


def test_the_most_severe_findings_passages_are_taken_first(monkeypatch: pytest.MonkeyPatch) -> None:
    transcript = make_transcript(
        [make_segment("죽여버린다", 1.0, "a"), make_segment("칼로 찔러 버린다", 20.0, "a")], language="ko"
    )
    findings = located(transcript).findings
    assert [one.start for one in wanted_passages(transcript, findings)] == [1.0, 20.0]
    monkeypatch.setattr(module, "MOST_PASSAGES", 1)
    (passage,) = wanted_passages(transcript, findings)
    assert passage.start == 20.0
    decodes = SecondDecodes.of(
        [passage], decode_again(Hearing("칼로 찔러 버린다"), [np.zeros(RATE * 60, np.int16)], [passage])
    )
    told = module.with_second_decodes(findings, transcript, decodes)
    assert isinstance(told[0].confirmation, NotMeasured)
    assert told[1].confirmation.status == "confirmed"


def test_overlapping_passages_share_one_window_and_keep_their_own_verdicts() -> None:
    passages = [
        Passage(0, 5.0, 7.0, ("하나", "둘"), "ko"),
        Passage(0, 6.0, 8.0, ("둘", "셋"), "ko"),
        Passage(0, 20.0, 21.0, ("넷",), "ko"),
        Passage(1, 5.0, 6.0, ("하나",), "ko"),
        Passage(0, 99.0, 100.0, ("없음",), "ko"),
    ]
    hearing = Hearing("하나 둘 넷", "하나 둘 넷")
    found = decode_again(hearing, [np.zeros(RATE * 30, np.int16)] * 2, passages)
    assert len(hearing.spans) == 3
    assert [one.verdict for one in found] == ["confirmed", "differs", "confirmed", "confirmed", "not_heard"]
    assert all(len(span.audio) <= 13 * RATE for span in hearing.spans)


def test_a_channel_of_its_own_is_decoded_for_its_speaker() -> None:
    segments = [make_segment("여보세요", 0.0, "channel-1"), make_segment("죽여버린다", 5.0, "channel-2")]
    transcript = make_transcript(segments)
    (passage,) = wanted_passages(transcript, located(transcript).findings)
    assert (passage.channel, passage.start, passage.words) == (1, 5.0, ("죽여버린다",))


def test_a_transcript_without_times_says_so() -> None:
    transcript = make_transcript([make_segment("죽여버린다", 0.0, "a", end=0.0, words=[])])
    (finding,), _, hearing = analysed(transcript, "죽여버린다")
    assert "no times" in finding.confirmation.reason
    assert hearing.spans == []
