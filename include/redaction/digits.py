"""Numbers that name a person or an account, in digits and as they are spoken, in Korean and English.

A *run* is a row of digits with nothing between them but spaces, dashes and the words that people say between groups
(``에``, ``다시``, ``의``, ``dash``). How long a run must be depends on how it is written: 일이 (work, or 1-2) is a
word, 일이삼사 is not. Dates, times, amounts and counts are taken out first.
"""

# ruff: noqa: E501 (patterns read better whole, and Hangul counts twice)
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from include.redaction.hits import Hit, Kind

__all__ = ["digit_runs", "find_numbers"]

_KOREAN: Final = dict(zip("공영빵일이삼사오육륙칠팔구", "0001234566789", strict=True)) | {"하나": "1", "둘": "2"}
_ENGLISH: Final = {
    **dict(zip(("zero", "oh", "o", "nought", "one", "two", "three", "four"), "00001234", strict=True)),
    **dict(zip(("five", "six", "seven", "eight", "nine", "niner"), "567899", strict=True)),
}
_TENS: Final = {
    name: str(value)
    for value, name in enumerate(
        ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"],
        10,
    )
} | {
    name: str(10 * value)
    for value, name in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2)
}
_TIMES: Final = {"double": 2, "triple": 3}

_ELEMENT: Final = re.compile(
    r"(?P<ascii>[0-9０-９]+)|(?P<korean>하나|둘|[공영빵일이삼사오육륙칠팔구])"
    rf"|(?<![A-Za-z])(?P<english>{'|'.join(sorted([*_ENGLISH, *_TENS, *_TIMES], key=len, reverse=True))})(?![A-Za-z'’])",
    re.IGNORECASE,
)
_BETWEEN: Final = re.compile(
    r"[\s,.\-–—·/~()+_|:…]{0,4}(?:(?:에|의|다시|하고|대시|짝대기|바|그리고|요|에다가?|dash|hyphen|and|minus|space)[\s,.\-]{0,3})?"
    r"|[\s,.…]{1,4}(?:[음어아]{1,3}|그|저기?|um+|uh+|er+m?)[\s,.…]{1,4}",  # what is said while one thinks
    re.IGNORECASE,
)
_UNITS = (
    r"원|만\s?원?|억|천|백|달러|불|유로|엔|명|개월?|년|월|일|시간?|분|초|킬로|미터|센티|그램|리터|퍼센트|프로|%|번째|살|세(?![가-힣])|층|평"
    r"|주|건|회|장|권|통|배|위|학년|반|km|kg|cm|mm|m(?![a-z])|g(?![a-z])|hz|khz|db|won|dollars?|percent|years?|months?"
    r"|days?|hours?|minutes?|seconds?|times|people|points?|bytes?|ms(?![a-z])|s(?![a-z])|x(?![a-z])"
)
# none of these begins within a row of digits (010-1234.5678), and long ones are no amounts unless they are round
_ALONE = r"(?<![0-9])(?<![0-9][-.,])"
_HARMLESS: Final = re.compile(
    r"(?<![0-9])(?:(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?![0-9])|(?:19|20)\d\d\s?[-./]\s?\d{1,2}\s?[-./]\s?\d{1,2}(?:[T ]\d{1,2}:\d{2}(?::\d{2})?(?:[.]\d+)?Z?)?(?![0-9-]))"
    rf"|{_ALONE}(?:\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?:[.]\d+)?(?![0-9])|[1-9]\d{{0,2}}(?:,\d{{3}})++(?:[.]\d+)?(?![0-9])(?!,\d)|(?:0|[1-9]\d{{0,5}})[.]\d+(?![.0-9])"
    rf"|(?:[1-9]\d{{0,3}}\s?[-~]\s?)?(?:(?:[1-9]\d{{0,5}}|0)(?:[.]\d+)?\s?(?:{_UNITS})|[1-9]\d{{0,7}}000\s?(?:원|won))(?=[^가-힣]|$|[이가은는을를에도만로의쯤짜정동간치씩후전뒤까부밖]))",
    re.IGNORECASE,
)
_AMOUNT: Final = re.compile(
    rf"\s?(?:{_UNITS})(?:(?=[이가은는을를에도만로의쯤짜정동간치씩후전뒤까부밖])|(?![가-힣A-Za-z'’]))|\s?[~\-]",
    re.IGNORECASE,
)
_NUMBERED: Final = re.compile(
    r"(?:번호|\bnumber|\baccount(?:\s+number)?)(?:[은는이가])?(?:\s+is)?[\s:]*$", re.IGNORECASE
)
_WORDS: Final = re.compile(r"사이사이|일일이|이일저일|이판사판|오이오이|구구절절|사사오입|일이 많|일일일일")
_CUE: Final = re.compile(
    r"인증\s?번호|비밀\s?번호|비번|핀\s?번호|뒷\s?자리|끝\s?자리|앞\s?자리|계좌|카드|주민|차량|전화|연락처|번호|코드|생년월일|생일|여권|면허|군번|사번|학번"
    r"|\bpin\b|pass\s?(?:word|code)|\bcode\b|last four|ending in|account|card|number|extension|\bssn\b|social security"
    r"|passport|licen[cs]e|reach me|call me at",
    re.IGNORECASE,
)
_AFTER_SHORT = frozenset("야요고로입이예에은는가를을도랑라인죠지거까맞번 ")
_CUE_REACH = 24


@dataclass(frozen=True)
class _Group:
    """Digits that are written together."""

    start: int
    end: int
    digits: str
    script: str
    elements: int


def find_numbers(text: str) -> list[Hit]:
    """The numbers of a text."""
    plain = _HARMLESS.sub(_blank, text)
    plain = _WORDS.sub(lambda found: "\0" * len(found.group()), plain)
    hits = []
    for run in _runs(plain):
        groups = _trimmed(run, text)
        if not groups:
            continue
        start, end = groups[0].start, groups[-1].end
        cue = text[max(0, start - _CUE_REACH) : start]
        if _counts(groups, cued=_CUE.search(cue) is not None):
            digits = "".join(one.digits for one in groups)
            script = "spoken" if any(one.script != "ascii" for one in groups) else "written"
            hits.append(
                Hit(
                    start,
                    end,
                    _kind(digits, cue, "-".join(str(len(one.digits)) for one in groups)),
                    f"number.{script}",
                    digits,
                )
            )
    return hits


def _blank(found: re.Match[str]) -> str:
    """Blanks for a date, a time, an amount; what it says itself for groups of three right after "account number"."""
    text = found.string
    cued = "," in found.group() and _NUMBERED.search(text[max(0, found.start() - _CUE_REACH) : found.start()])
    return found.group() if cued and not _AMOUNT.match(text, found.end()) else "\0" * len(found.group())


def digit_runs(text: str) -> Iterator[tuple[int, int, str]]:
    """Every row of digits, however short, written or spoken: start, end, digits. Each group of a row is one, too."""
    for run in _runs(text):
        if len(run) > 1:
            yield run[0].start, run[-1].end, "".join(one.digits for one in run)
        yield from ((one.start, one.end, one.digits) for one in run)


def _runs(text: str) -> Iterator[list[_Group]]:
    run: list[_Group] = []
    times, reach = 1, 0
    for found in _ELEMENT.finditer(text):
        script = str(found.lastgroup)
        start, end = found.span()
        digits, repeats = _value(found.group(), script)
        gap = text[reach:start] if run or times > 1 else None
        reach = end
        if gap is None or not _BETWEEN.fullmatch(gap) or (run and not _joins(run[-1], script, gap, digits)):
            if run:
                yield run
            run, times = [], 1
        if repeats > 1:
            times = repeats
            continue
        digits, times = digits * times, 1
        if run and gap == "" and run[-1].script == script:
            last = run[-1]
            run[-1] = _Group(last.start, end, last.digits + digits, script, last.elements + 1)
        else:
            run.append(_Group(start, end, digits, script, 1))
    if run:
        yield run


def _joins(last: _Group, script: str, gap: str, digits: str) -> bool:
    """Whether what follows belongs to the number: 1500이 and 3일 are a number and a word, and in the names of files
    (``01098765432_251119``) a whole number stands beside a date."""
    if "_" in gap:
        return len(last.digits) < 8 and len(digits) < 8
    return gap != "" or last.script == script or "english" in (last.script, script) or len(last.digits) >= 3


def _value(word: str, script: str) -> tuple[str, int]:
    if script == "ascii":
        return str(word.translate(str.maketrans("０１２３４５６７８９", "0123456789"))), 1
    if script == "korean":
        return _KOREAN[word], 1
    lower = word.lower()
    return _ENGLISH.get(lower) or _TENS.get(lower, ""), _TIMES.get(lower, 1)


def _trimmed(run: list[_Group], text: str) -> list[_Group]:
    """Without groups at the ends that are the beginning or end of another word (이사했어, 매일)."""
    groups = list(run)
    total = sum(len(one.digits) for one in groups)
    while groups and groups[0].script == "korean" and _hangul_before(text, groups[0].start):
        if len(groups[0].digits) >= 5 or (total >= 9 and groups[0].digits[0] == "0"):
            break
        groups.pop(0)
    while len(groups) > 1 and groups[-2].script == "ascii" and groups[-1].script == "korean":
        if len(groups[-1].digits) > 1:
            break
        groups.pop()  # 1234567 이랑: a particle
    while groups and groups[-1].script == "korean" and len(groups[-1].digits) < 3:
        after = text[groups[-1].end : groups[-1].end + 1]
        if not ("가" <= after <= "힣") or after in _AFTER_SHORT:
            break
        groups.pop()
    while groups and groups[0].script == "ascii" and text[max(0, groups[0].start - 1) : groups[0].start].isalnum():
        if "가" <= text[groups[0].start - 1] <= "힣":
            break  # 번호는010…
        groups.pop(0)  # inside an identifier
    while groups and groups[-1].script == "ascii" and text[groups[-1].end : groups[-1].end + 1].isascii():
        if not text[groups[-1].end : groups[-1].end + 1].isalpha():
            break
        groups.pop()
    return groups


def _hangul_before(text: str, at: int) -> bool:
    return at > 0 and "가" <= text[at - 1] <= "힣"


def _counts(groups: list[_Group], *, cued: bool) -> bool:
    """Whether a run is long enough for the way in which it is written."""
    sizes = [len(one.digits) for one in groups]
    total, elements = sum(sizes), sum(one.elements for one in groups)
    scripts = {one.script for one in groups}
    if total >= 7:
        return scripts != {"english"} or elements >= 4
    if total < 4:
        return False
    if scripts == {"ascii"}:
        return cued and (len(groups) == 1 or total >= 6)
    if scripts == {"english"}:
        return elements >= 4 and (elements == total or cued or elements >= 5)
    return cued or (max(sizes) >= 4 and scripts != {"ascii", "korean"}) or min(sizes) >= 3 or max(sizes) == 1


def _kind(digits: str, cue: str, written: str) -> Kind:  # noqa: PLR0911 (a table of cases)
    """What a number is, by its digits, the words before it and the sizes of its groups (``3-4-4``)."""
    size = len(digits)
    if (size == 13 and digits[6] in "12345678" and _birth(digits)) or ("주민" in cue and size in (6, 7, 13)):
        return "resident_number"
    if "카드" in cue or "card" in cue.lower() or size in (15, 16):
        return "card"
    if "계좌" in cue or "account" in cue.lower():
        return "account"
    if size == 10 and digits[0] in "23456789" and written == "3-3-4":
        return "phone"  # North America
    if (
        (digits[0] == "0" and 9 <= size <= 12)
        or (size == 8 and digits[:2] in ("15", "16", "18"))
        or digits[:4] == "8210"
    ):
        return "phone"
    if "전화" in cue or "연락처" in cue or "reach me" in cue.lower() or "call me" in cue.lower():
        return "phone"
    return "account" if size >= 10 else "number"


def _birth(digits: str) -> bool:
    return 1 <= int(digits[2:4]) <= 12 and 1 <= int(digits[4:6]) <= 31
