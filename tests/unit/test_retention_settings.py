"""What a retention policy may say; settings that would delete more than somebody decided are refused."""

import json

import pytest

from include.errors import SettingsError
from include.settings import get_settings

ORIGINALS = '{"originals/": 3650}'


def test_nothing_by_default() -> None:
    assert get_settings().retention == {}


def test_prefixes_and_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMAN_RETENTION_DAYS", '{"cache/": 90, "completed/": 365}')
    assert get_settings().retention == {"cache/": 90, "completed/": 365}


@pytest.mark.parametrize("prefix", ["incoming/", "", "other/", "completed", "completed/job/"])
def test_other_prefixes_are_refused(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    monkeypatch.setenv("VOICEMAN_RETENTION_DAYS", json.dumps({prefix: 10}))
    with pytest.raises(SettingsError, match="VOICEMAN_RETENTION_DAYS is not valid: .* is not one of cache/, "):
        get_settings()


@pytest.mark.parametrize("value", ["90", "[]", "{", '{"cache/": 0}', '{"cache/": "90"}', '{"cache/": 1.5}', "x=1"])
def test_what_is_no_policy_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("VOICEMAN_RETENTION_DAYS", value)
    with pytest.raises(SettingsError, match="VOICEMAN_RETENTION_DAYS is not valid"):
        get_settings()


@pytest.mark.parametrize("said", ["", "   ", "yes"])
def test_originals_need_a_decision(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("VOICEMAN_RETENTION_DAYS", ORIGINALS)
    monkeypatch.setenv("VOICEMAN_RETENTION_ORIGINALS_POLICY", said)
    with pytest.raises(SettingsError, match="VOICEMAN_RETENTION_ORIGINALS_POLICY is not valid: .*who decided"):
        get_settings()
    monkeypatch.setenv("VOICEMAN_RETENTION_ORIGINALS_POLICY", "Decided by the lab on 2026-01-02: ten years by law.")
    get_settings.cache_clear()
    assert get_settings().retention == {"originals/": 3650}


def test_airflows_history_never_reaches_running_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMAN_AIRFLOW_HISTORY_DAYS", "3")
    with pytest.raises(SettingsError, match="VOICEMAN_AIRFLOW_HISTORY_DAYS is not valid"):
        get_settings()


def test_connections_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_settings().notify_connections == ()
    monkeypatch.setenv("VOICEMAN_NOTIFY_CONN_IDS", " mail, chat ,,mail")
    get_settings.cache_clear()
    assert get_settings().notify_connections == ("mail", "chat")
