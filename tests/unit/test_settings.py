import ast
import inspect
import os

import pytest

from include.errors import SettingsError
from include.settings import Settings, get_settings


def test_every_setting_says_what_it_is() -> None:
    (kind,) = ast.parse(inspect.getsource(Settings)).body
    assert isinstance(kind, ast.ClassDef)
    said = {
        one.target.id
        for one, after in zip(kind.body, kind.body[1:], strict=False)
        if isinstance(one, ast.AnnAssign)
        and isinstance(one.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and isinstance(after.value.value, str)
    }
    assert set(Settings.model_fields) - said == set()


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
