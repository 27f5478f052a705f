"""Hand-made documents for the report's tests: real models, invented calls."""

from __future__ import annotations

import hashlib
import math
from typing import Literal

from include.forensic import (
    Analysis,
    Confirmation,
    Context,
    CounterEvidence,
    Finding,
    Measure,
    NotAnalysed,
    Scores,
    SetAsidePassage,
    Span,
    SpeakerVoice,
    TaxonomyInfo,
    TranscriptRef,
    Waveform,
)
from include.forensic.floor_timing import FloorMeasures
from include.report import ReportFacts
from include.stt import (
    Engine,
    NotMeasured,
    Quality,
    RecordingInfo,
    Segment,
    SpeakerInfo,
    Transcript,
    Word,
)
from include.stt.agreement import confirmation
from include.stt.confirmation import Alternative, Variant

SHA = hashlib.sha256(b"original").hexdigest()
CATEGORIES = {
    "THREAT.DIRECT": {
        "name_ko": "직접 협박", "name_en": "Direct threat", "reference": "형법 제283조, 제284조", "verified_on": "",
    },
    "EXTORTION": {
        "name_ko": "공갈", "name_en": "Extortion", "reference": "형법 제350조", "verified_on": "2025-06-01",
    },
    "VISHING.AGENCY": {
        "name_ko": "기관 사칭 전화금융사기", "name_en": "Voice phishing: agency impersonation",
        "reference": "통신사기피해환급법", "verified_on": "",
    },
}  # fmt: skip
LINES = {
    "ko": [
        ("channel-1", "여보세요, 지금 통화 가능하세요?"),
        ("channel-2", "네, 말씀하세요. 무슨 일이신가요?"),
        ("channel-1", "지난달에 빌려간 돈 말인데 언제 갚을 거야, 벌써 석 달째잖아."),
        ("channel-2", "조금만 더 기다려 주세요. 다음 주에는 꼭 보내 드릴게요."),
        ("channel-1", "이번에도 돈 안 보내면 회사에 다 말해 버린다."),
        ("channel-2", "농담하지 마세요, 그렇게까지 할 일은 아니잖아요."),
        ("channel-1", "또 거짓으로 둘러대면 진짜 죽여 버릴 거야, 알았어?"),
        ("channel-2", "서울중앙지검 수사관이라는 사람한테서 전화가 왔었다니까요."),
    ],
    "en": [
        ("channel-1", "Hello, can you talk right now?"),
        ("channel-2", "Yes, go ahead. What is it about?"),
        ("channel-1", "It is about the money you borrowed last month, it has been three months now."),
        ("channel-2", "Please wait a little longer. I will send it next week for sure."),
        ("channel-1", "If you do not send the money I will tell your company everything."),
        ("channel-2", "You are joking, it does not have to go that far."),
        ("channel-1", "If you put me off once more I will kill you, do you understand?"),
        ("channel-2", "A person who said he was an investigator called me yesterday."),
    ],
}
MATCHES = {
    "ko": {4: ("EXTORTION", 3, "돈 안 보내면 회사에 다 말해"), 6: ("THREAT.DIRECT", 4, "죽여 버릴 거야"),
           7: ("VISHING.AGENCY", 2, "서울중앙지검 수사관")},
    "en": {4: ("EXTORTION", 3, "I will tell your company"), 6: ("THREAT.DIRECT", 4, "I will kill you"),
           7: ("VISHING.AGENCY", 2, "investigator")},
}  # fmt: skip


def make_transcript(*, language: str = "ko", duration_s: float = 132.0, segments: int = 24) -> Transcript:
    """A two-channel call of ``segments`` lines spread over ``duration_s`` seconds."""
    step = duration_s / max(segments, 1)
    made = []
    for index in range(segments):
        speaker, text = LINES[language][index % 8]
        start = index * step + 0.2
        tokens = text.split()
        each = (step - 0.5) / len(tokens)
        words = [
            Word(
                text=token,
                start=round(start + each * at, 2),
                end=round(start + each * (at + 1), 2),
                score=round(0.25 + 0.74 * abs(math.sin(index * 3.1 + at * 1.7)), 3),
                timing="attention",
            )
            for at, token in enumerate(tokens)
        ]
        made.append(
            Segment(
                start=round(start, 2), end=round(start + step - 0.5, 2), speaker=speaker, text=text,
                confidence=round(0.55 + 0.4 * abs(math.sin(index)), 3),
                flags=["low_confidence"] if index % 11 == 5 else [], words=words,
            )
        )  # fmt: skip
    return Transcript(
        recording=RecordingInfo(
            sha256=SHA, size_bytes=2_113_024, duration_s=duration_s, container_duration_s=duration_s + 0.04,
            container="mov,mp4,m4a", codec="aac", channels=2, sample_rate=44100,
            pcm_sha256=hashlib.sha256(b"pcm").hexdigest(),
            decoder="ffmpeg 5.1.6 -map 0:a:0 -ar 16000 -c:a pcm_s16le", messages=[],
        ),
        language=language, language_probability=0.982, language_source="detected",
        engine=Engine(
            name="whisperx", versions={"whisperx": "3.8.6", "faster-whisper": "1.2.1", "ctranslate2": "4.8.5"},
            model="base", weights={"model.bin": hashlib.sha256(b"w").hexdigest()},
            parameters={"beam_size": 5, "temperatures": [0.0, 0.2, 0.4], "vad": "pyannote", "prompt": None},
            settings_digest=hashlib.sha256(b"s").hexdigest(), device="cpu int8",
        ),
        speakers=SpeakerInfo(method="channel", speakers=["channel-1", "channel-2"]),
        segments=made,
        quality=Quality(
            speech_s=duration_s * 0.71, snr_db=18.4,
            bandwidth_hz=NotMeasured(reason="too little speech energy to tell"), clipping=0.00012, missing_s=0.04,
        ),
        created_at="2025-11-20T02:10:00Z",
    )  # fmt: skip


def _finding(number: int, index: int, transcript: Transcript) -> Finding:
    lines = transcript.segments
    segment = lines[index]
    category, severity, words = MATCHES[transcript.language][index % 8]
    counter = (
        [CounterEvidence(kind="joke", text=lines[index + 1].text, start=lines[index + 1].start)]
        if number % 2 and index + 1 < len(lines)
        else []
    )
    return Finding(
        id=f"F{number:03d}", category=category, severity=severity, rule=f"{category.lower()}.1", rule_version="0.1.0",
        span=Span(
            segment=index, speaker=segment.speaker, start=segment.start + 0.4, end=segment.end - 0.3,
            timing="attention", text=words,
        ),
        context=Context(
            before=lines[index - 1].text, sentence=segment.text,
            after=lines[index + 1].text if index + 1 < len(lines) else "",
        ),
        asr_confidence=segment.confidence,
        confirmation=_confirmation(number, words, segment.start, transcript.language),
        counter_evidence=counter,
    )  # fmt: skip


def _confirmation(number: int, words: str, start: float, language: str) -> Confirmation | NotMeasured:
    """The first finding's words were heard again, the second's not, the third's were not decoded again."""
    if number % 3 == 0:
        return NotMeasured(reason="A second decode was not asked for.")
    heard = words if number % 3 == 1 else "다른 말"
    variants = [
        Variant(
            model="base", beam_size=beam, start=start, end=start + 4, text=f"… {heard} …", heard=heard, inserted=[],
            agreement=1.0 if number % 3 == 1 else 0.1, avg_logprob=-0.3, no_speech_prob=0.01,
            alternatives=[Alternative(text=heard, avg_logprob=-0.3)],
        )
        for beam in (5, 1)
    ]  # fmt: skip
    found = confirmation(start, start + 3, language, words.split(), variants)
    status = "confirmed" if found.verdict == "confirmed" else "unconfirmed"
    return Confirmation(status=status, detail=found.reason, decodings=[found])


def _voice(speaker: str | None, base: float) -> SpeakerVoice:
    praat = "Praat 6.4 (parselmouth 0.4.6), autocorrelation, 75–500 Hz, 10 ms steps"
    none = NotMeasured(reason="Praat finds no such formant.")
    return SpeakerVoice(
        speaker=speaker,
        voiced_s=Measure(value=31.2, unit="s", method=praat),
        f0_median_hz=Measure(value=base, unit="Hz", method=praat),
        f0_iqr_semitones=Measure(value=3.42, unit="semitones", method=praat),
        intensity_median_db=Measure(value=61.35, unit="dB", method="Praat intensity, relative to full scale"),
        f0_range_semitones=Measure(value=7.1, unit="semitones", method=praat),
        intensity_iqr_db=Measure(value=6.5, unit="dB", method=praat),
        jitter_local=none,
        shimmer_local=none,
        hnr_db=none,
        formant1_hz=none,
        formant2_hz=none,
        formant3_hz=none,
        pauses_per_minute=none,
        pause_median_s=none,
        floor=FloorMeasures.model_validate(
            {
                name: Measure(value=value, unit=unit, method="speaker turns")
                for name, value, unit in (
                    ("turns", 12, ""),
                    ("talking_share", 0.5, ""),
                    ("response_latency_s", 0.62, "s"),
                    ("overlap_s", 1.4, "s"),
                    ("interruptions", 2, ""),
                    ("interrupted", 1, ""),
                )
            }
        ),
        pause_ratio=Measure(value=0.31, unit="", method="1 - word time / span of the speaker's words"),
        speech_rate=NotMeasured(reason="word times come from attention and are too coarse for a rate"),
    )


def make_analysis(
    transcript: Transcript, *, findings: int | Literal["not_measured"] = 3, mono: bool = False
) -> Analysis:
    """An analysis with ``findings`` findings at the lines that carry a match."""
    duration = transcript.recording.duration_s
    places = [index for index in range(len(transcript.segments)) if index % 8 in (4, 6, 7)]
    found = (
        NotMeasured(reason="there are no rules for the language 'und'.")
        if findings == "not_measured"
        else [_finding(number + 1, places[number], transcript) for number in range(findings)]
    )
    listed = found if isinstance(found, list) else []
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for one in listed:
        by_speaker = counts.setdefault(one.category, {}).setdefault(str(one.severity), {})
        by_speaker[one.span.speaker or "unknown"] = by_speaker.get(one.span.speaker or "unknown", 0) + 1
    steps = int(duration / 0.05)
    peaks = [
        [round(abs(math.sin(i / 37.0 + c)) * abs(math.sin(i / 3.1)) * (0.4 + 0.3 * c), 3) for i in range(steps)]
        for c in range(1 if mono else 2)
    ]
    return Analysis(
        transcript=TranscriptRef(
            name="call_transcript.json", recording_sha256=SHA,
            sha256=hashlib.sha256(transcript.to_json().encode()).hexdigest(),
        ),
        language=transcript.language, duration_s=duration,
        taxonomy=TaxonomyInfo(
            version="0.1.0", sha256=hashlib.sha256(b"t").hexdigest(), languages=["ko", "en"], categories=CATEGORIES
        ),
        findings=found,
        acoustics=[_voice("channel-1", 121.3), _voice("channel-2", 204.8)],
        waveform=Waveform(step_s=0.05, peaks=peaks),
        set_aside=[
            SetAsidePassage(
                category="THREAT.DIRECT", rule="threat.direct.9", rule_version="1", filter="negation",
                span=one.span, context=one.context,
                counter_evidence=[CounterEvidence(kind="negation", text="안 죽여", start=1.0)],
            )
            for one in listed[:1]
        ],
        not_analysed=[NotAnalysed(kind="uncovered_speech", start=3.0, end=5.5, channel=0, reasons=[])],
        emotion=NotMeasured(reason="No turn was measured."),
        stress=NotMeasured(reason="No turn was measured."),
        cross_checks=NotMeasured(reason="No turn was measured."),
        scores=Scores(
            counts=counts,
            per_audio_hour={name: round(sum(sum(x.values()) for x in by.values()) * 3600 / duration, 2)
                            for name, by in counts.items()},
            review_order=41.5 if listed else NotMeasured(reason="nothing to put in order"),
            formula="100 * (1 - exp(-sum(weight[severity]) / 10))", formula_version="1",
            inputs={"weight_sum": 5.36} if listed else {},
        ),
        versions={"kiwipiepy": "0.24.1", "praat-parselmouth": "0.4.6"},
        settings_digest=hashlib.sha256(b"a").hexdigest(), created_at="2025-11-20T02:11:00Z",
    )  # fmt: skip


def make_facts(**changes: object) -> ReportFacts:
    """Facts that agree with the factory's documents."""
    values: dict[str, object] = {
        "job_id": "case-2025-017", "file_id": "통화녹음_홍길동_20251119", "file_name": "통화녹음_홍길동_20251119.m4a",
        "sha256": SHA, "size_bytes": 2_113_024, "received_at": "2025-11-20T02:00:00Z",
        "run_id": "manual__2025-11-20T02:05:00+00:00", "software_version": "0.1.0",
        "generated_at": "2025-11-20T02:12:00Z",
    }  # fmt: skip
    return ReportFacts.model_validate(values | changes)
