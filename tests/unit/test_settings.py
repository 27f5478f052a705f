import os

import pytest

from include.errors import SettingsError
from include.settings import Settings, get_settings


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMAN_BEAM_SIZE", "none")
    with pytest.raises(SettingsError, match=r"^VOICEMAN_BEAM_SIZE is not valid: .*; correct it in the environment"):
        get_settings()


def test_never_more_threads_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMAN_THREADS", "9999")
    assert get_settings().cpu_threads == len(os.sched_getaffinity(0))


def test_a_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMAN_API_PASSWORD", "hunter2-hunter2")
    assert "hunter2" not in repr(get_settings())
