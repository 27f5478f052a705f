"""Hand-made cases for the case report's tests, bench and picture: real models, invented calls."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from datetime import datetime, timedelta, timezone

from include.forensic import CaseCourse, CaseRecording, case_course
from include.forensic.case_recording import Said
from include.report.case_facts import CaseEntry, CaseFacts, CaseSpeaker, FoundCount
from include.stt import NotMeasured

KST = timezone(timedelta(hours=9))
FIRST = datetime(2026, 3, 2, 21, 14, 5, tzinfo=KST)
CATEGORIES = {
    "STALKING": {"name_ko": "스토킹", "name_en": "Stalking"},
    "THREAT.DIRECT": {"name_ko": "직접 협박", "name_en": "Direct threat"},
    "INSULT": {"name_ko": "모욕", "name_en": "Insult"},
}
LINES = (
    ("channel-1", "여보세요 왜 자꾸 전화를 안 받아"),
    ("channel-2", "이제 저한테 연락하지 마세요"),
    ("channel-1", "오늘도 회사 앞에서 나올 때까지 기다린다"),
    ("channel-2", "그만하시라고 분명히 말씀드렸어요"),
    ("channel-1", "네가 어디로 가든 내가 다 알고 있어"),
    ("channel-2", "내일 회의가 있어서 이만 끊을게요"),
)
PERSONS = ("김민준", "이서연", "박도윤", "최지우", "정하은", "강시우", "조수아")
OTHERS = ("010-1234-5678", "김대리", "남궁민수 과장님")


def make_case(
    count: int,
    *,
    named: bool = True,
    undated: int = 0,
    seed: int = 7,
    long_names: bool = False,
    hostile: str | None = None,
) -> tuple[CaseFacts, CaseCourse]:
    """A case of ``count`` recordings and its course.

    Args:
        named: somebody stated who speaks.
        undated: recordings at the end without a time.
        long_names: file names of many Hangul syllables without a space.
        hostile: stands in every text field.
    """
    draw = random.Random(seed)
    entries, recordings = [], []
    for at in range(count):
        made = (
            None
            if at >= count - undated
            else FIRST + timedelta(days=at * draw.uniform(0.6, 2.4), hours=draw.uniform(-9, 2))
        )
        entry, recording = _recording(at, made, draw, named=named, long_names=long_names, hostile=hostile)
        entries.append(entry)
        recordings.append(recording)
    course = case_course(recordings)
    assert isinstance(course, CaseCourse)
    return CaseFacts(
        case_number=hostile or "2026-형제-1234",
        jobs=[hostile or "case-2026-017"],
        requester=hostile or "서울중앙지방검찰청",
        questions=[hostile or "누가 누구에게 언제 무엇을 말하였는가", hostile or "되풀이된 말이 있는가"],
        stated_in=[hostile or f"intake.json case-2026-017 (SHA-256 {hashlib.sha256(b'i').hexdigest()})"],
        made_by=hostile or "process.summarize",
        generated_at="2026-11-27T03:00:00Z",
        software_version="0.1.0",
        entries=entries,
        categories={"STALKING": {"name_ko": hostile, "name_en": hostile}} if hostile else CATEGORIES,
    ), course


def _recording(
    at: int, made: datetime | None, draw: random.Random, *, named: bool, long_names: bool, hostile: str | None
) -> tuple[CaseEntry, CaseRecording]:
    stamp = "" if made is None else f"_{made:%y%m%d_%H%M%S}"
    party = OTHERS[at % 3 if at % 4 else 0]
    who = "가나다라마바사아자차카타파하" * 4 if long_names else "통화녹음"
    name = hostile or f"{who}_{party}{stamp}_{at:03d}.m4a"
    duration = draw.uniform(40, 1500)
    turns = [LINES[(at + number) % len(LINES)] for number in range(5)]
    if hostile:
        turns = [(hostile, hostile)] * 3
    said, counts = _said(at, turns, hostile)
    sha256 = hashlib.sha256(f"recording {at}".encode()).hexdigest()
    persons = (
        {"channel-1": PERSONS[0], "channel-2": PERSONS[1 + at % (len(PERSONS) - 1)]} if named and at % 5 != 3 else {}
    )
    labels = [hostile] if hostile else ["channel-1", "channel-2"]
    recording = CaseRecording(
        name=f"{name}{at}",
        duration_s=duration,
        findings=[(one.category, one.severity) for one in said if one.finding],
        turns=turns,
        made_at=made,
        said=said,
        party=hostile or party,
        sha256=sha256,
        starts=[12.5 * number for number in range(len(turns))],
    )
    entry = CaseEntry(
        key=recording.name,
        job_id=hostile or "case-2026-017",
        file_id=name,
        name=name,
        sha256=sha256,
        duration_s=duration,
        recorded_at=None if made is None else made.isoformat(),
        time_of_day=at % 6 != 5,
        time_source=None if made is None else "stated" if at % 4 == 1 else "file_name",
        party=recording.party,
        transcript_sha256=hashlib.sha256(f"transcript {at}".encode()).hexdigest(),
        analysis_sha256=hashlib.sha256(f"analysis {at}".encode()).hexdigest(),
        reports={"report.pdf": hashlib.sha256(f"report {at}".encode()).hexdigest()} if at % 7 else {},
        speakers=[
            CaseSpeaker(label=label, speech_s=duration * 0.35, turns=3, person=hostile or persons.get(label))
            for label in labels
        ],
        findings=NotMeasured(reason=hostile or "There are no rules for the language 'und'.")
        if at % 23 == 22
        else []
        if at % 5 == 4
        else counts,
        unknown_labels=[hostile] if hostile else [],
        transcribed_by=hostile or f"whisperx base · {hashlib.sha256(b's').hexdigest()}",
        analysed_by=hostile or f"1.4.0 · {hashlib.sha256(b'a').hexdigest()}",
    )
    return entry, recording


def _said(at: int, turns: list[tuple[str, str]], hostile: str | None) -> tuple[list[Said], list[FoundCount]]:
    said = []
    for number, (speaker, text) in enumerate(turns):
        start, tail = 12.5 * number, {"start": 12.5 * number, "text": text, "speaker": speaker}
        if hostile or "기다린다" in text:
            said.append(
                Said("STALKING", "stalking.wait", 3 if at % 9 == 0 else 2, speaker, start, text, f"F{number:03d}")
            )
        elif "연락하지" in text:
            said.append(Said(category="STALKING.SIGNAL.REFUSED", rule="signal.refused", severity=2, **tail))
        elif "전화를" in text:
            said.append(Said(category="STALKING.SIGNAL.CONTACT", rule="signal.contact", severity=2, **tail))
        elif "회의" in text and at % 8 == 0:
            said.append(Said(category="STALKING.SIGNAL.ERRAND", rule="signal.errand", severity=2, **tail))
        if at % 6 == 1 and "어디로" in text:
            said.append(Said("THREAT.DIRECT", "threat.3", 4, speaker, start, text, f"F{number:03d}", "confirmed"))
        if at % 7 == 2 and number == 0:
            said.append(Said("INSULT", "insult.1", 1, speaker, start, text, f"F{number:03d}"))
    counts = Counter((one.category, one.severity, one.speaker) for one in said if one.finding)
    return said, [
        FoundCount(category=key[0], severity=key[1], speaker=key[2], count=count, confirmed=at % 2)
        for key, count in sorted(counts.items(), key=str)
    ]
