"""What the nightly sweep decides without a database."""

from datetime import UTC, datetime, timedelta

import pytest

from include import errors
from include.errors import InvalidJobError, SettingsError
from include.pipeline.sweep import Again, parse_interval, transient_codes
from include.settings import get_settings

DAY = datetime(2026, 1, 5, tzinfo=UTC)


def test_an_interval_is_two_moments_with_their_zones() -> None:
    start, end = parse_interval("2026-01-05T02:00:00+09:00/2026-01-06T02:00:00+09:00")
    assert (start, end) == (DAY - timedelta(hours=7), DAY + timedelta(hours=17))
    assert parse_interval(f"{start.isoformat()}/{end.isoformat()}") == (start, end)  # what `find` writes, `claim` reads


@pytest.mark.parametrize(
    "value",
    [
        "",
        "2026-01-05",
        "yesterday/today",
        "2026-01-05T02:00:00/2026-01-06T02:00:00",  # which zone?
        "2026-01-05T02:00:00Z/2026-01-06T02:00:00",
        "2026-01-06T02:00:00Z/2026-01-05T02:00:00Z",
        "2026-01-05T02:00:00Z/2026-01-05T02:00:00Z",
        "2026-01-05T02:00:00Z/2026-01-06T02:00:00Z/2026-01-07T02:00:00Z",
    ],
)
def test_anything_else_is_refused_in_one_sentence(value: str) -> None:
    with pytest.raises(InvalidJobError, match="is not acceptable; write two moments") as refused:
        parse_interval(value)
    assert "\n" not in str(refused.value)


def test_bad_input_and_changed_bytes_are_never_tried_again_by_themselves() -> None:
    codes = transient_codes()
    assert codes >= {"storage", "state", "tool", "device_busy", "device_memory", "unfinished", "killed", "model"}
    inputs = [errors.InputError, *errors.InputError.__subclasses__()]
    assert not codes & {one.code for one in inputs}
    assert not codes & {"digest_mismatch", "missing_object", "not_owner", "illegal_transition", "settings"}


def test_a_job_found_for_two_reasons_is_started_once_for_both() -> None:
    failed = Again("job", "failed", DAY, DAY + timedelta(hours=1))
    outdated = Again("job", "outdated", DAY - timedelta(days=9), DAY - timedelta(days=8))
    both = Again("job", "outdated", DAY - timedelta(days=9), DAY + timedelta(hours=1))
    assert failed.joined(outdated) == outdated.joined(failed) == both


@pytest.mark.parametrize(
    ("name", "value"),
    [("NIGHTLY_CRON", "daily"), ("NIGHTLY_TIMEZONE", "Asia/Atlantis"), ("NIGHTLY_TIMEZONE", "../etc/passwd")],
)
def test_a_wrong_setting_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"VOICEMAN_{name}", value)
    with pytest.raises(SettingsError, match=f"VOICEMAN_{name} is not valid"):
        get_settings()
