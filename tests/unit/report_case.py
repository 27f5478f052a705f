"""A whole case around the report factory's documents: facts, custody, sound, voice turn by turn. All invented."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np

from include.forensic import Analysis, VoiceTurns
from include.forensic.stress import MovedMeasure, TurnDeparture, VoiceDepartures
from include.forensic.voice_models import TURN_MEASURES, TurnVoice
from include.report import CustodyEvent, ReportFacts, SigningKey, StatedFacts, VerifiedCopy
from include.stt import Transcript
from tests.unit.report_factory import SHA, make_facts

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 16_000
STATED = StatedFacts(
    case_number="2025-형제-1234",
    evidence_number="증 제7호",
    requester="○○지방검찰청 디지털수사과",
    questions=("통화에 금전을 요구하며 해악을 알리는 말이 있는지", "있다면 몇 분 몇 초의 누구의 말인지"),
    legal_basis="감정 의뢰서 2025-118 (2025. 11. 19.)",
    recorded_by="고소인",
    conversation="own",
    device="휴대전화 기본 녹음 앱",
    submitter="고소인 (2025. 11. 18. 임의 제출)",
    copies=("휴대전화에서 USB로 복사 (2025. 11. 18.)",),
    document_sha256=hashlib.sha256(b"intake").hexdigest(),
)
"""One fact (consent or warrant) is left out: an own conversation needs none."""


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def make_events(count: int = 0) -> tuple[CustodyEvent, ...]:
    """The events of one recording's course through the pipeline, and ``count`` further ones."""
    run = "manual__2025-11-20T02:05:00+00:00"
    steps: list[tuple[str, str, str | None, str | None, dict[str, str]]] = [
        ("facts stated", "process.claim", None, None, {"intake.json": _digest("intake")}),
        ("claimed", "process.claim", None, "PENDING", {"recording": SHA, "original": SHA}),
        ("state", "process.plan", "PENDING", "STT_QUEUE", {}),
        ("state", "process.batch.transcribe[0]", "STT_QUEUE", "STT_PROCESSING", {}),
        ("state", "process.batch.transcribe[0]", "STT_PROCESSING", "FORENSIC_QUEUE",
         {"working copy": SHA, "transcript.json": _digest("t"), "transcribe.dsse.json": _digest("ta")}),
        ("state", "process.batch.analyze[0]", "FORENSIC_QUEUE", "FORENSIC_PROCESSING", {}),
        ("state", "process.batch.analyze[0]", "FORENSIC_PROCESSING", "REPORT_QUEUE",
         {"working copy": SHA, "forensic.json": _digest("a"), "analyze.dsse.json": _digest("aa")}),
        ("state", "process.batch.report[0]", "REPORT_QUEUE", "REPORT_GENERATING", {}),
        *[("fetched", "김감정", None, None, {"report.pdf": _digest(f"{n}")}) for n in range(count)],
    ]  # fmt: skip
    return tuple(
        CustodyEvent(
            seq=index + 1, at=f"2025-11-20T02:{5 + index // 60:02d}:{index % 60:02d}Z", actor=actor,
            run=None if action == "fetched" else run, attempt=None if action == "fetched" else 1, action=action,
            from_state=before, to_state=after, digests=digests, hash=_digest(f"event {index}"),
            reason="사본을 검토자에게 전달" if action == "fetched" else None,
        )
        for index, (action, actor, before, after, digests) in enumerate(steps)
    )  # fmt: skip


def make_case_facts(**changes: object) -> ReportFacts:
    """Facts of a recording that came through the pipeline."""
    tool = "VoiceMan 0.1.0 (Python hashlib)"
    known: dict[str, object] = {
        "stated": STATED, "case": "2025-형제-1234", "custody": make_events(),
        "signing": SigningKey(keyid=_digest("key"), demo=True),
        "copies": (
            VerifiedCopy(role="preservation", place="originals/case-2025-017/통화녹음_홍길동_20251119.m4a",
                         verified_at="2025-11-20T02:11:58Z", tool=tool),
            VerifiedCopy(role="working", place="processing/case-2025-017/통화녹음_홍길동_20251119.m4a",
                         verified_at="2025-11-20T02:11:59Z", tool=tool),
        ),
    }  # fmt: skip
    return make_facts(**(known | changes))


def make_pcm(transcript: Transcript, channels: int = 2) -> NDArray[np.int16]:
    """A hum with a speaker's pitch and formant-like overtones wherever a segment is, shape (frames, channels)."""
    frames = int(transcript.recording.duration_s * RATE)
    pcm = np.zeros((frames, channels), dtype=np.int16)
    names = list(dict.fromkeys(one.speaker for one in transcript.segments))
    for number, segment in enumerate(transcript.segments):
        first, last = int(segment.start * RATE), min(int(segment.end * RATE), frames)
        at = np.arange(last - first, dtype=np.float32) / RATE
        lane = names.index(segment.speaker)
        pitch = (115.0, 205.0)[lane % 2] * (1 + 0.12 * np.sin(2 * math.pi * 0.7 * at + number))
        phase = 2 * math.pi * np.cumsum(pitch) / RATE
        tone = sum(np.sin(k * phase) * math.exp(-((k * 120 - 700) ** 2) / 8e5) / k**0.3 for k in range(1, 24))
        syllables = np.clip(np.sin(2 * math.pi * 4.3 * at + number), 0, 1) ** 0.6
        pcm[first:last, lane % channels] = (tone * syllables * 2_500).astype(np.int16)
    return pcm


def with_voice(analysis: Analysis, transcript: Transcript) -> Analysis:
    """The analysis with voice measures of every segment as a turn, and one departure."""
    turns = []
    for index, segment in enumerate(transcript.segments):
        lift = 6.0 if index == 6 else 0.0
        values = {
            "f0_median_st": (24.6, 34.2)[segment.speaker != "channel-1"] + math.sin(index * 1.7) + lift,
            "intensity_db": -27 + 2.2 * math.sin(index * 2.3) + lift,
            "speech_rate": 5.1 + 0.8 * math.sin(index * 0.9),
        }
        turns.append(
            TurnVoice(
                index=index, speaker=segment.speaker, start=segment.start, end=segment.end, segments=[index],
                voiced_s=1.5, values=values, overlapped_s=0.0,
            )
        )  # fmt: skip
    moved = [
        MovedMeasure(measure=name, value=turns[6].values[name], baseline=base, unit=TURN_MEASURES[name],
                     effect_size=4.1, direction="higher")
        for name, base in (("f0_median_st", 24.6), ("intensity_db", -27.0))
    ]  # fmt: skip
    return analysis.model_copy(
        update={
            "voice_turns": VoiceTurns(method="Praat", units=TURN_MEASURES, left_out=[], turns=turns),
            "stress": VoiceDepartures(
                method="(value - median) / scaled MAD", version="1", turns_compared=len(turns), expected_by_chance=0.2,
                listed=[TurnDeparture(turn=6, speaker="channel-1", start=turns[6].start, end=turns[6].end, moved=moved,
                                      compared=3)],
            ),
        }
    )  # fmt: skip
