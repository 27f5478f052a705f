"""A call full of secrets, for the leak tests: each in several forms and places."""

# ruff: noqa: E501 (Hangul counts twice)
from __future__ import annotations

from include.forensic import Analysis, Finding
from include.report import ReportFacts
from include.stt import Segment, Transcript, Word
from include.stt.agreement import confirmation
from include.stt.confirmation import Alternative, Variant
from include.stt.transcript import SetAside
from tests.unit.report_factory import make_analysis, make_facts, make_transcript

LINES = (
    ("channel-1", "여보세요 김민수 씨 맞으시죠"),
    ("channel-2", "네 제 번호는 공일공 구팔칠육"),
    ("channel-1", "네"),
    ("channel-2", "오사삼이 예요 그리고 민수한테 전해요"),
    ("channel-1", "돈 안 보내면 회사에 다 말해 김민수 너 듣고 있어"),
    ("channel-2", "농담하지 마세요 박서연 과장님도 알아요"),
    ("channel-1", "계좌번호 일이삼 사오육칠 팔구공일 로 보내 죽여 버릴 거야"),
    ("channel-2", "서울시 강남구 테헤란로 152 래미안아파트 101동 1203호 로 오세요"),
    ("channel-1", "주민번호 900101-1234567 이랑 차 12가 3456 까치 사장 메일 minsu.kim@naver.com"),
    ("channel-2", "끝자리 오사삼이 맞고 민수야 듣고 있니"),
)
SECRETS = (
    "김민수", "민수", "박서연", "서연", "공일공구팔칠육", "구팔칠육", "오사삼이", "01098765432", "98765432",
    "일이삼사오육칠팔구공일", "사오육칠", "팔구공일", "테헤란로", "강남구", "래미안", "101동", "1203호", "9001011234567",
    "12가3456", "까치", "minsukim", "naver", "이영자", "영자", "홍길동", "최강식", "구팔칠륙",
)  # fmt: skip
"""None of these may be in a redacted copy, whatever stands between their signs."""


def seeded() -> tuple[Transcript, Analysis, ReportFacts]:
    """Transcript, analysis and facts with the secrets in texts, words, contexts, second decodes and names."""
    base = make_transcript(duration_s=60.0, segments=len(LINES))
    segments = [_segment(at, speaker, text) for at, (speaker, text) in enumerate(LINES)]
    segments[4].words[0].text = "돈을"  # words and text that disagree
    transcript = base.model_copy(
        update={
            "segments": segments,
            "set_aside": [SetAside(start=50, end=51, channel=0, text="김민수 010-9876-5432", reasons=["no_energy"])],
        }
    )
    analysis = make_analysis(transcript)
    assert isinstance(analysis.findings, list)
    finding = analysis.findings[0]
    finding.context.before = LINES[3][1]
    finding.context.sentence = LINES[4][1]
    finding.context.after = LINES[5][1]
    finding.span.text = "회사에 다 말해 김민수"
    finding.counter_evidence[:] = []
    _decoded_again(finding)
    facts = make_facts(
        job_id="이영자-2025-017",
        file_id="통화녹음_홍길동_01098765432_251119",
        file_name="통화녹음_홍길동_01098765432_251119.m4a",
    )
    return transcript, analysis, facts


def _segment(at: int, speaker: str, text: str) -> Segment:
    tokens, start = text.split(), at * 6.0
    words = [
        Word(text=token, start=start + n * 0.4, end=start + n * 0.4 + 0.3, score=0.9, timing="attention")
        for n, token in enumerate(tokens)
    ]
    return Segment(start=start, end=start + 5.5, speaker=speaker, text=text, confidence=0.8, words=words)


def _decoded_again(finding: Finding) -> None:
    """A second decode of segments 3 and 4: whole numbers word by word, a misheard name, alternatives."""
    variants = [
        Variant(
            model="base", beam_size=5, start=17.0, end=30.0, text="오사삼이 예요 그리고 민수한테 전해요 회사에 다 말해 김민수 너 최강식", heard="회사에 다 말해 김민수",
            inserted=["구팔", "칠륙"], agreement=0.9, avg_logprob=-0.3, no_speech_prob=0.01,
            alternatives=[Alternative(text="회사에 다 말해 김민수", avg_logprob=-0.4),
                          Alternative(text="구팔칠륙 오사삼이 김민수", avg_logprob=-0.4)],
        ),
        Variant(
            model="base", beam_size=1, start=17.0, end=30.0, text="회사에 다 말해 최강식 너", heard="회사에 다 말해 최강식",
            inserted=[], agreement=0.7, avg_logprob=-0.5, no_speech_prob=0.01, alternatives=[],
        ),
    ]  # fmt: skip
    told = confirmation(24.0, 27.0, "ko", ["회사에", "다", "말해", "김민수"], variants)
    confirmed = finding.confirmation
    decodings = getattr(confirmed, "decodings", None)
    assert decodings is not None, "the factory's first finding was decoded again"
    decodings[:] = [told]
