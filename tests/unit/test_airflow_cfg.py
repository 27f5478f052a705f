"""airflow.cfg and pools.json: valid names, only what differs, no secrets, the recovery settings of DESIGN §5."""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from include.local.airflow import COMMANDS
from include.local.environment import stack_environment
from include.local.layout import Layout, StackState
from include.local.ports import DEFAULT_PORTS
from include.local.secrets import StackSecrets
from include.settings import ROOT
from tests.unit.airflow_options import known_options

CFG = ROOT / "airflow.cfg"


@pytest.fixture(scope="module")
def cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(CFG)
    return parser


def settings_of(cfg: configparser.ConfigParser) -> dict[tuple[str, str], str]:
    return {(section, option): cfg[section][option] for section in cfg.sections() for option in cfg[section]}


def test_every_option_exists_and_differs_from_its_default(cfg: configparser.ConfigParser) -> None:
    options = known_options()
    settings = settings_of(cfg)
    assert len(settings) >= 8
    for name, value in settings.items():
        assert name in options, f"{name} is not an option of this Airflow"
        assert str(options[name].get("default")).lower() != value.lower(), f"{name} has its default value"


def test_every_option_has_a_comment_above_it() -> None:
    lines = CFG.read_text(encoding="utf-8").splitlines()
    options = [number for number, line in enumerate(lines) if re.match(r"[a-z_]+ = ", line)]
    assert options
    assert [lines[number] for number in options if not lines[number - 1].startswith("#")] == []
    assert len(lines) < 60


def test_no_secret_path_or_address(cfg: configparser.ConfigParser) -> None:
    for (section, option), value in settings_of(cfg).items():
        assert not re.search(r"secret|password|_key|conn$|token", option), f"{section}.{option} looks like a secret"
        if option == "allowed_run_id_pattern":
            assert re.fullmatch(value, "submit__사건_12.3-a__20260101T000000.000000Z")
            continue
        assert re.fullmatch(r"[A-Za-z0-9.]{1,10}", value), f"{section}.{option} = {value!r}"


def test_recovery_settings(cfg: configparser.ConfigParser) -> None:
    scheduler = cfg["scheduler"]
    timeout = scheduler.getint("task_instance_heartbeat_timeout")
    beat = cfg["workers"].getint("min_heartbeat_interval")
    threshold = scheduler.getint("scheduler_health_check_threshold")
    assert 12 <= timeout <= 15
    assert timeout >= 4 * beat, "a task must miss several heartbeats before it is given up"
    assert scheduler.getint("task_instance_heartbeat_timeout_detection_interval") == 3
    assert scheduler.getint("scheduler_heartbeat_sec") == 2
    assert threshold >= 25, "at 10 a busy scheduler reset its own live tasks"
    assert 15 <= cfg["triggerer"].getint("triggerer_health_check_threshold") <= 25
    # The user's target: recovery within 30 s without a human, a killed scheduler included.
    assert (
        threshold + scheduler.getint("orphaned_tasks_check_interval") + scheduler.getint("scheduler_heartbeat_sec")
        <= 30
    )


def test_airflow_config_lint_finds_nothing(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "config", "lint"],
        env=environment | {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW_CONFIG": str(CFG)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "No issues found in your airflow.cfg" in done.stdout


def test_stack_environment_names_exist(tmp_path: Path) -> None:
    options = known_options()
    environment = stack_environment(Layout(tmp_path), StackState(ports=DEFAULT_PORTS), StackSecrets())
    names = [name for name in environment if name.startswith("AIRFLOW__")]
    assert len(names) > 10
    for name in names:
        _, section, option = name.lower().split("__")
        assert (section, option) in options, name


def test_stack_environment_binds_to_loopback(tmp_path: Path) -> None:
    environment = stack_environment(Layout(tmp_path), StackState(ports=DEFAULT_PORTS), StackSecrets())
    assert environment["AIRFLOW__API__HOST"] == "127.0.0.1"
    # Airflow's log servers can't be bound to one address: they must not run.
    assert all("--skip-serve-logs" in COMMANDS[name] for name in ("scheduler", "triggerer"))
    assert json.loads(environment["AIRFLOW_CONN_VOICEMAN_S3"])["extra"]["endpoint_url"] == "http://127.0.0.1:8333"


def test_pools() -> None:
    pools = json.loads((ROOT / "pools.json").read_text())
    assert pools["gpu"]["slots"] == 1, "one batch a GPU at a time"
    assert pools["default_pool"]["slots"] >= 1
    assert all(set(pool) == {"slots", "description", "include_deferred"} for pool in pools.values())
