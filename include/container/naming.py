"""A recording's file name, as call recorders and voice memo apps write it, against the times in the file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from include.container.source import Notes

__all__ = ["NamedTime", "compare_times", "read_name"]

_SHORT: Final = r"(?P<date>\d{6})_(?P<time>\d{6})"
_LONG: Final = r"(?P<date>\d{8})[_ -]?(?P<time>\d{6})"
_PATTERNS: Final = (
    ("통화 녹음 NAME_YYMMDD_HHMMSS", re.compile(rf"통화 ?녹음[ _].*_{_SHORT}")),
    ("Call recording NAME_YYMMDD_HHMMSS", re.compile(rf"Call recording[ _].*_{_SHORT}", re.IGNORECASE)),
    ("음성 YYMMDD_HHMMSS / Voice YYMMDD_HHMMSS", re.compile(rf"(음성|Voice)[ _]{_SHORT}", re.IGNORECASE)),
    ("Recording_YYYYMMDD_HHMMSS", re.compile(rf"(Recording|녹음|음성 ?녹음)[_ ]{_LONG}", re.IGNORECASE)),
    ("YYYYMMDD HHMMSS-XXXXXXXX", re.compile(rf"{_LONG}-[0-9A-F]{{8}}")),
    ("NAME_NUMBER_YYYYMMDDHHMMSS", re.compile(rf".+_[0-9+*#-]{{3,}}_{_LONG}")),
    ("NAME_YYYYMMDD_HHMMSS", re.compile(rf"(.*[_ -])?{_LONG}")),
    ("NAME_YYMMDD_HHMMSS", re.compile(rf"(.*[_ ])?{_SHORT}")),
)
_COPY: Final = re.compile(
    r"( ?\(\d{1,3}\)|[ _-](복사본|사본|편집|수정|copy|edited|edit|trimmed|trim|cut|final)([ _]?\d{1,3})?|~\d+)$",
    re.IGNORECASE,
)
_KST: Final = timedelta(hours=9)
_NEAR_S: Final = 120.0


@dataclass(frozen=True)
class NamedTime:
    """A time in a file's name: what a clock showed, no zone is given."""

    pattern: str
    clock: datetime


def read_name(name: str, notes: Notes) -> NamedTime | None:
    """Note what the name (with or without extension) shows; the pattern is noted, never the person's name in it."""
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", name)
    copy = _COPY.search(stem)
    if copy is not None:
        notes.add("name.copy_mark", "file name", mark=copy.group().strip())
        stem = stem[: copy.start()]
    for pattern, expression in _PATTERNS:
        found = expression.fullmatch(stem)
        if found is None:
            continue
        form = "%y%m%d%H%M%S" if len(found["date"]) == 6 else "%Y%m%d%H%M%S"
        try:
            clock = datetime.strptime(found["date"] + found["time"], form)  # no zone is the point
        except ValueError:
            continue
        notes.add("name.pattern", "file name", pattern=pattern, time_in_name=clock.isoformat())
        return NamedTime(pattern, clock)
    notes.add("name.no_pattern", "file name")
    return None


def compare_times(named: NamedTime | None, created: str | None, length_s: float | None, notes: Notes) -> None:
    """Note how the name's time lies to the container's.

    Args:
        named: of the file's name.
        created: the container's creation time, ISO 8601; None or "not set": there is none.
        length_s: of the recording, seconds: a container may be stamped when a recording begins or when it ends.
    """
    if named is None:
        return
    try:
        inside = datetime.fromisoformat(created or "").astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        notes.add("name.nothing_to_compare", "file name", time_in_name=named.clock.isoformat())
        return
    apart = (inside - named.clock).total_seconds()
    utc = apart + _KST.total_seconds()  # no calendar has the container's time plus 9 hours at the end of the year 9999
    told = {
        "time_in_name": named.clock.isoformat(),
        "time_in_container": inside.isoformat(),
        "apart": f"{apart:+.0f} s",
        "apart_if_container_is_utc_and_name_kst": f"{utc:+.0f} s",
    }
    most = _NEAR_S + (length_s or 0.0)
    if -_NEAR_S <= utc <= most:
        notes.add("name.agrees_as_utc", "file name", **told)
    elif -_NEAR_S <= apart <= most:
        notes.add("name.agrees_as_local", "file name", **told)
    else:
        notes.add("name.differs", "file name", **told)
