"""What the tests share: weights laid out once, and the stores (PostgreSQL, S3) that live as long as they are needed.

Only tests/e2e has Airflow too: it takes a third of a core from whatever runs beside it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from xdist.scheduler import LoadScopeScheduling

# Airflow reads these when it is first imported; nothing of it may touch the user's own AIRFLOW_HOME
_AIRFLOW_HOME = tempfile.mkdtemp(prefix="voiceman-airflow-")
os.environ["AIRFLOW_HOME"] = _AIRFLOW_HOME
os.environ["AIRFLOW_CONFIG"] = str(Path(__file__).parent.parent / "airflow.cfg")
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(Path(__file__).parent.parent / "dags")
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(Path(__file__).parent.parent / "plugins")
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"
# two test processes share two cores: one thread each, where a test doesn't ask for more, and in the stacks
os.environ.setdefault("VOICEMAN_THREADS", "1")
# threads that wait must not spin away the core that the other process needs: a quarter of a transcription's CPU time
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# pytest-xdist gives its workers a width of 80; rich would read it once, when the command line is imported
os.environ.pop("COLUMNS", None)

from include import local
from include.settings import ROOT, get_settings
from include.storage import Store, open_store
from include.stt import install_base
from tests.guard import guarded

TWINS = ("VOICEMAN_REPORT_REDACTED", "VOICEMAN_REPORT_PLAYER")
DEVELOPMENT_DATA = Path(os.environ.get("VOICEMAN_EVAL_DATA", ROOT.parent / "shared" / "data"))


_WITHOUT_THE_STORES = (
    "test_confirm.py", "test_odd_audio.py", "test_service.py",
    "test_stream.py", "test_transcribe.py",
)  # fmt: skip


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Two processes share the tests: what uses one stack goes to one of them, each other file to one as a whole.

    (`--dist loadgroup` of pytest-xdist 3.8 does nothing under pytest 9.2, whose items have no `_nodeid`.)
    """

    class ByStack(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", 1)[0]
            if file.startswith("tests/e2e/"):
                return "airflow"
            stores = file.startswith("tests/integration/") and not file.endswith(_WITHOUT_THE_STORES)
            return "stores" if stores else file

    return ByStack(config, log)


def pytest_sessionfinish() -> None:
    shutil.rmtree(_AIRFLOW_HOME, ignore_errors=True)


@pytest.fixture(autouse=True)
def fresh_settings() -> Iterator[None]:
    """Settings are read anew in each test, so that a test's environment counts for it alone."""
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def models() -> Path:
    """The directory of model weights, verified."""
    folder = get_settings().models
    install_base(folder)
    return folder


@contextmanager
def stack_of_its_own(models: Path, *options: str) -> Iterator[Path]:
    """A local stack in a new home, started with these options of ``up`` and stopped by the command line as users do."""
    home = Path(tempfile.mkdtemp(prefix="voiceman-tests-"))
    environment = {
        **os.environ,
        "VOICEMAN_HOME": str(home),
        "VOICEMAN_MODEL_DIR": str(models),
        "VOICEMAN_SETTLE_S": "8",
        # a daily run is made up for when a stack starts soon after its hour; it would take away what tests lay out
        "VOICEMAN_HOUSEKEEPING_CRON": f"0 {(datetime.now(ZoneInfo('Asia/Seoul')).hour + 12) % 24} * * *",
        **dict.fromkeys(TWINS, "false"),
    }
    for name in [one for one in environment if one.startswith("AIRFLOW_")]:
        environment.pop(name)
    try:
        started = subprocess.run(
            [ROOT / "voiceman", "up", *options], env=environment, capture_output=True, text=True, timeout=300
        )
        assert started.returncode == 0, started.stderr
        with guarded(home):
            yield home
    finally:
        ended = subprocess.run(
            [ROOT / "voiceman", "down"], env=environment, capture_output=True, text=True, timeout=120
        )
        shutil.rmtree(home, ignore_errors=True)
        assert ended.returncode == 0, ended.stderr


def talk_to(home: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Connections, home and models of a stack into the environment."""
    monkeypatch.setenv("VOICEMAN_HOME", str(home))
    monkeypatch.setenv("VOICEMAN_MODEL_DIR", str(models))
    get_settings.cache_clear()
    for name, value in local.load_stack_env().items():
        if name.startswith(("AIRFLOW_CONN_", "VOICEMAN_")):
            monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    return home


@pytest.fixture(scope="session")
def stores_home(models: Path) -> Iterator[Path]:
    """PostgreSQL and S3."""
    with stack_of_its_own(models, "--stores") as home:
        yield home


@pytest.fixture
def stack(stores_home: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This test talks to the stores; those of tests/e2e to a whole stack."""
    return talk_to(stores_home, models, monkeypatch)


@cache
def _opened(_home: Path) -> Store:
    return open_store()


@pytest.fixture
def store(stack: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The stack's bucket; opened once: boto3 reads megabytes of its own models for each client.

    Twins of reports cost seconds a recording and are made only where a test asks for them.
    """
    for name in TWINS:
        monkeypatch.setenv(name, "false")
    get_settings.cache_clear()
    return _opened(stack)


@pytest.fixture(scope="session")
def data() -> Path:
    """The development data; a test that uses it is skipped where it is not."""
    if not DEVELOPMENT_DATA.is_dir():
        pytest.skip(f"development data is not at {DEVELOPMENT_DATA}")
    return DEVELOPMENT_DATA
