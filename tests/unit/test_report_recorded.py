"""What the software records in English reads Korean in the Korean report."""

import ast
import re
from pathlib import Path

import pytest

from include.pipeline.claim import _COPIED, _received
from include.report.strings import load_strings
from include.settings import ROOT

KO, EN = load_strings("ko"), load_strings("en")


def filled(node: ast.expr) -> str:
    """The string of a literal or f-string, numbers standing in for what is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "7" for v in node.values)
    if isinstance(node, ast.IfExp):
        return filled(node.body) + "\n" + filled(node.orelse)
    if isinstance(node, ast.BoolOp):
        return "\n".join(filled(value) for value in node.values if not isinstance(value, ast.Attribute))
    return ""


def recorded_reasons() -> list[str]:
    found = []
    for path in [*(ROOT / "include/stt").glob("*.py"), *(ROOT / "include/forensic").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "NotMeasured":
                found += [line for keyword in node.keywords for line in filled(keyword.value).splitlines()]
    return sorted({one for one in found if one})


def test_there_are_reasons_to_check() -> None:
    assert len(recorded_reasons()) >= 15


@pytest.mark.parametrize("reason", recorded_reasons())
def test_every_reason_has_a_korean_form(reason: str) -> None:
    korean = KO.recorded(reason)
    assert re.search("[가-힣]", korean), f"add a phrase for {reason!r} to recorded_ko.toml"
    assert "{" not in korean
    assert EN.recorded(reason) == reason


@pytest.mark.parametrize(
    ("english", "korean"),
    [
        ("0.4 s of speech found, at least 1 s are needed", "말소리가 0.4초뿐이며 적어도 1초가 필요합니다"),
        ("Only 3 words with times; 5 are needed.", "시각이 붙은 낱말이 3개뿐이며 5개가 필요합니다"),
        ("two silent channels", "두 채널 모두 소리가 없습니다"),
        ("The passage was not decoded again.", "이 구간은 다시 해독하지 않았습니다"),
        ("80% of the syllables were heard again, 90% are needed.", "음절의 80%가 다시 들렸으며 90%가 필요합니다"),
    ],
)
def test_numbers_are_taken_over(english: str, korean: str) -> None:
    assert KO.recorded(english) == korean


def test_the_reasons_of_speaker_decisions_are_translated() -> None:
    source = (Path(ROOT) / "include/stt/channels.py").read_text()
    plans = [
        n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "ChannelPlan"
    ]
    told = "one channel stands out by 8 dB in 67% (left) and 33% (right) of the active frames"
    for plan in plans:
        reason = told if isinstance(plan.args[1], ast.Name) else filled(plan.args[1]).replace("(7)", f"({told})")
        assert re.search("[가-힣]", KO.recorded(reason)), reason


def test_what_fits_no_phrase_is_printed_as_recorded() -> None:
    assert KO.recorded("<b>something new</b>") == "<b>something new</b>"


@pytest.mark.parametrize(
    ("english", "korean"),
    [
        (_received("통화 1.m4a"), "받은 이름: '통화 1.m4a'"),
        (_COPIED, "각각 기록하고 다시 읽어 확인함"),
        ("dropped again", "다시 접수됨"),
        ("asked for again (redo: outdated)", "다시 하도록 요청됨(redo: outdated)"),
        ("left half-way by the run manual__2026-11-28", "실행 manual__2026-11-28이(가) 중간에 남겨 둠"),
        ("over 3 recordings of 1 job", "작업 1건의 녹음 3건"),
        ("over 40 recordings of 2 jobs", "작업 2건의 녹음 40건"),
        ("12 files", "파일 12개"),
        ("an evidence bundle is being made", "증거 묶음을 만드는 중"),
        ("by 김감정: 동의서 확인\n(2쪽)", "결정한 사람 김감정: 동의서 확인\n(2쪽)"),
        (
            "declared to be of others' conversations, no basis stated: a.m4a, b.m4a",
            "다른 사람들 사이의 대화로 기재되었으나 근거가 기재되지 않음: a.m4a, b.m4a",
        ),
        (
            "retention: originals/ after 365 days; order 12: originals/j/a.m4a (41 bytes)",
            "보존 기간에 따라 삭제(originals/ 365일, order 12): originals/j/a.m4a(41바이트)",
        ),
        (
            "retention: failed/ after 90 days: failed/j/a.m4a (41 bytes)",
            "보존 기간에 따라 삭제(failed/ 90일): failed/j/a.m4a(41바이트)",
        ),
    ],
)
def test_reasons_of_custody_events_read_korean(english: str, korean: str) -> None:
    assert korean in KO.recorded(english)
