"""STALKING over the recordings of a case: passages that become a finding only with the required repetition.

One recording shows none. What counts is a *recording with contact against the other side's will*:

- it holds a passage that the category's own rules find (waiting until somebody comes out, watching …), which no second
  decode denied; or
- contact is sought again, or refused again, after it was refused in an earlier recording; or
- contact is sought again after it was refused in the same recording, by somebody else than who refused.

There is a finding where at least as many recordings count as the taxonomy requires. In a recording that names an errand
(a delivery, a bill, an office) or in which parent and child speak, refusals and contact don't count; they are listed as
set aside. It describes passages, their order and their number: no person, and no conclusion about one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from include.described import DESCRIBED
from include.forensic.case_change import CallRate, SeverityCourse, call_rate, severity_course
from include.forensic.case_phrases import RepeatedPhrase, repeated_phrases
from include.forensic.case_recording import CaseRecording, Said
from include.forensic.rates import Rate, Trend, rate_per_hour, rate_trend
from include.forensic.rulebook import load_taxonomy
from include.stt import NotMeasured

__all__ = ["CASE_RULE", "CaseFinding", "CasePassage", "PartyCourse", "stalking_courses"]

CASE_RULE = ("STALKING.CASE", "1")
"""Id and version of the rule above."""

CATEGORY = "STALKING"
_SIGNAL = CATEGORY + ".SIGNAL."
_SOUGHT = frozenset({_SIGNAL + "CONTACT", _SIGNAL + "COUNT"})
_REFUSED = _SIGNAL + "REFUSED"
_EXPLAINS = {_SIGNAL + "ERRAND": "errand", _SIGNAL + "KIN": "parent and child"}

Role = Literal["finding", "contact", "refused", "explains"]


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", use_attribute_docstrings=DESCRIBED, allow_inf_nan=False, hide_input_in_errors=True
    )


class CasePassage(_Model):
    """A passage that the finding rests on, or that points the other way."""

    recording: str
    made_at: str | None
    role: Role
    """``finding``: of the category's own rules; ``contact``: sought again, or its number; ``refused``; ``explains``."""
    counted: bool
    why: str
    """One sentence: why it counts, or why not."""
    category: str
    rule: str
    finding: str | None
    """Its id in the recording's analysis."""
    confirmation: str
    """By a second decode: ``confirmed``, ``unconfirmed`` or ``not_decoded`` (signals never are)."""
    speaker: str | None
    start: float | None
    """Seconds."""
    text: str


class CaseFinding(_Model):
    """A finding over recordings: passages that match the category with the repetition that it requires."""

    category: str
    severity: Literal[2, 3, 4]
    """The highest of the findings counted; 4 where a threat of severity 3 or more is in a recording counted."""
    rule: str
    rule_version: str
    required: int
    """Recordings that the taxonomy requires."""
    recordings: list[str]
    """Those that count, by time."""
    first: str | None
    last: str | None


class PartyCourse(_Model):
    """One party's recordings, as the files' names tell them apart."""

    party: str | None
    """A telephone number or contact from the files' names; None: their names tell nobody, and they are taken for one
    party's. Who speaks is for the examiner to check."""
    recordings: list[str]
    required: int
    """Recordings that the taxonomy requires for a finding."""
    counted: list[str]
    """Recordings that count, by time; enough of them are the finding."""
    finding: CaseFinding | NotMeasured
    """``NotMeasured``: the repetition that the category requires was not found, with how often it was."""
    passages: list[CasePassage]
    """By time."""
    passages_rate: Rate | NotMeasured
    """Passages counted, per hour recorded."""
    passages_trend: Trend | NotMeasured
    calls: CallRate | NotMeasured
    severity: SeverityCourse | NotMeasured
    repeated: list[RepeatedPhrase]
    """Phrases that come again, of recordings that count."""


@dataclass(frozen=True, slots=True)
class _Read:
    """One recording, judged."""

    recording: CaseRecording
    counts: bool
    passages: list[CasePassage]


def stalking_courses(ordered: Sequence[CaseRecording]) -> list[PartyCourse]:
    """What the recordings of each party show together; parties without any passage are left out.

    Args:
        ordered: by time, those without a date last.
    """
    parties: dict[str | None, list[CaseRecording]] = {}
    seen: set[str] = set()
    for one in ordered:
        if one.sha256 is not None and one.sha256 in seen:
            continue  # the same bytes under two names are one call
        seen |= {one.sha256} if one.sha256 else set()
        parties.setdefault(one.party, []).append(one)
    courses = [_course(party, own) for party, own in parties.items()]
    return [one for one in courses if one is not None]


def _course(party: str | None, own: Sequence[CaseRecording]) -> PartyCourse | None:
    read = _judged(own)
    passages = [passage for one in read for passage in one.passages]
    if not any(passage.role != "explains" for passage in passages):
        return None
    counted = [one.recording for one in read if one.counts]
    counts = [sum(passage.counted for passage in one.passages) for one in read]
    dated = [(one.recording, count) for one, count in zip(read, counts, strict=True) if one.recording.made_at]
    return PartyCourse(
        party=party,
        recordings=[one.name for one in own],
        required=_required(),
        counted=[one.name for one in counted],
        finding=_finding(own, counted),
        passages=passages,
        passages_rate=rate_per_hour(sum(counts), sum(one.duration_s for one in own)),
        passages_trend=rate_trend(
            [one.made_at.timestamp() / 604800 for one, _ in dated if one.made_at is not None],
            [count for _, count in dated],
            [one.duration_s / 3600 for one, _ in dated],
        ),
        calls=call_rate(own),
        severity=severity_course([one for one, _ in dated]),
        repeated=repeated_phrases(counted),
    )


def _finding(own: Sequence[CaseRecording], counted: Sequence[CaseRecording]) -> CaseFinding | NotMeasured:
    required = _required()
    if len(counted) < required:
        late = sum(not one.signals_read for one in own)
        older = f" {late} analyses were made before signals were looked for." if late else ""
        return NotMeasured(
            reason=f"{len(counted)} of {len(own)} recordings count, {required} are required: no repetition is shown."
            + older
        )
    severity: Literal[2, 3, 4] = 2
    for one in counted:
        for said in one.said:
            if said.finding is None or said.confirmation == "unconfirmed":
                continue
            if said.category == CATEGORY and said.severity >= 3 and severity < 4:
                severity = 4 if said.severity == 4 else 3
            if said.category.startswith("THREAT") and said.severity >= 3:
                severity = 4
    dates = [one.made_at.isoformat() for one in counted if one.made_at is not None]
    return CaseFinding(
        category=CATEGORY,
        severity=severity,
        rule=CASE_RULE[0],
        rule_version=CASE_RULE[1],
        required=required,
        recordings=[one.name for one in counted],
        first=dates[0] if dates else None,
        last=dates[-1] if dates else None,
    )


def _required() -> int:
    """Recordings that the taxonomy requires of the category."""
    repetition = next(one.repetition for one in load_taxonomy().categories if one.id == CATEGORY)
    return 2 if repetition is None else repetition.minimum


def _judged(own: Sequence[CaseRecording]) -> list[_Read]:
    read: list[_Read] = []
    refused_in: str | None = None
    for one in own:
        judged = _judge(one, refused_in)
        read.append(judged)
        if refused_in is None and any(item.role == "refused" and item.counted for item in judged.passages):
            refused_in = one.name
    return read


def _judge(one: CaseRecording, refused_in: str | None) -> _Read:
    """One recording, given in which earlier one contact was refused."""
    said = sorted(one.said, key=lambda item: item.start or 0.0)
    explains = next((_EXPLAINS[item.category] for item in said if item.category in _EXPLAINS), None)
    refusals = [item for item in said if item.category == _REFUSED]
    refused = bool(refusals) and explains is None
    refusers = {item.speaker for item in refusals if item.speaker is not None}
    counts = False
    passages = []
    for item in said:
        role = _role(item)
        if role is None:
            continue
        counted, why, against = _weighed(item, role, one, explains, refusers, refusals, refused_in)
        counts = counts or against
        passages.append(_passage(one, item, role, counted=counted, why=why))
    # without a date it is not known to come after the refusal, unless it holds one itself
    if refused and refused_in is not None:
        counts = True
    return _Read(one, counts, passages)


def _role(item: Said) -> Role | None:
    if item.category == CATEGORY and item.finding is not None:
        return "finding"
    if item.category in _SOUGHT:
        return "contact"
    if item.category == _REFUSED:
        return "refused"
    return "explains" if item.category in _EXPLAINS else None


def _weighed(  # noqa: PLR0917, PLR0911
    item: Said,
    role: Role,
    one: CaseRecording,
    explains: str | None,
    refusers: set[str],
    refusals: Sequence[Said],
    refused_in: str | None,
) -> tuple[bool, str, bool]:
    """Whether a passage counts, why, and whether its recording does with it."""
    if role == "explains":
        return False, "It explains why somebody calls again.", False
    if role == "finding":
        if item.confirmation == "unconfirmed":
            return False, "A second decode did not confirm the words.", False
        if item.severity < 2:
            return False, "Words near it make it ambiguous.", False
        return True, "The category's own rule.", True
    if explains is not None:
        return False, f"The recording names what explains it ({explains}).", False
    if role == "refused":
        return True, "Contact is refused." if refused_in is None else f"Refused again, after {refused_in}.", False
    if item.speaker is not None and item.speaker in refusers:
        return False, "Said by who refuses contact.", False
    if any((first.start or 0.0) < (item.start or 0.0) for first in refusals):
        return True, "Contact is sought after it was refused in this recording.", True
    if refused_in is not None and one.made_at is not None:
        return True, f"Contact is sought after it was refused in {refused_in}.", True
    return False, "No refusal is known to come before it.", False


def _passage(one: CaseRecording, item: Said, role: Role, *, counted: bool, why: str) -> CasePassage:
    return CasePassage(
        recording=one.name,
        made_at=one.made_at.isoformat() if one.made_at else None,
        role=role,
        counted=counted,
        why=why,
        category=item.category,
        rule=item.rule,
        finding=item.finding,
        confirmation=item.confirmation,
        speaker=item.speaker,
        start=item.start,
        text=item.text,
    )
