"""docker-compose.yaml and the Dockerfile, without a Docker engine: every name they use must exist.

The file is validated twice: by the compose_spec parser (strict, the published specification), and by
hand against this repository. `docker compose config` is used too where the plugin is installed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.settings import ROOT, Settings
from tests.unit.airflow_options import known_options

COMPOSE = ROOT / "docker-compose.yaml"
TEXT = re.sub(r"^ *#.*", "", COMPOSE.read_text(encoding="utf-8"), flags=re.MULTILINE)
"""The file, its comment lines blanked."""
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>[A-Z][A-Z0-9_]*)(?:(?P<kind>:[-?])(?P<rest>[^}]*))?\}")

NOT_IN_COMPOSE = {
    *("VOICEMAN_HOME", "VOICEMAN_S3_CONN_ID", "VOICEMAN_DB_CONN_ID"),
    *("VOICEMAN_API_USER", "VOICEMAN_API_PASSWORD", "VOICEMAN_ENGINES", "VOICEMAN_AIRFLOW_DB_CONN_ID"),
    "VOICEMAN_COMMIT",  # the image has it
    *("VOICEMAN_PDF_KEY", "VOICEMAN_PDF_PASSWORD"),
    "VOICEMAN_PKCS11_PIN",  # a token needs its maker's library in the container, too: an override file has both
}
"""Settings that the containers take at their defaults; the API ones are for the command line's REST calls, the PDF ones
for a key outside the certificate's file, which containers get as one mounted file."""


def example_variables() -> dict[str, str]:
    """Every variable of .env.example, set or commented out; each must follow a comment."""
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    found = {}
    for number, line in enumerate(lines):
        match = re.fullmatch(r"#?([A-Z][A-Z0-9_]*)=(.*)", line)
        if match:
            assert lines[number - 1].startswith("# "), f"{match[1]} has no comment in .env.example"
            assert match[1] not in found, f"{match[1]} is twice in .env.example"
            found[match[1]] = match[2]
    return found


def interpolate(text: str) -> str:
    """What Compose does with ``${NAME}``, with a harmless value for each required one."""
    values = {name: value or f"example{number}" for number, (name, value) in enumerate(example_variables().items())}

    def value_of(match: re.Match[str]) -> str:
        return match["rest"] if match["kind"] == ":-" else values[match["name"]]

    return VARIABLE.sub(value_of, text).replace("$$", "$")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded = yaml.safe_load(interpolate(TEXT))
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def airflow_services(services: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: body for name, body in services.items() if str(body["image"]).startswith("voiceman/")}


def test_it_follows_the_compose_specification() -> None:
    from compose_spec import PyCompose

    # It wants aliases resolved: Compose itself does that first.
    plain = json.loads(json.dumps(yaml.safe_load(interpolate(TEXT))))
    parsed = PyCompose.from_yaml(yaml.safe_dump(plain))
    assert set(parsed.service_names()) == set(plain["services"])
    parsed.to_spec()


def test_docker_compose_config() -> None:
    docker = shutil.which("docker")
    plugin = docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0
    if not plugin:
        pytest.skip("the docker compose plugin is not installed here")
    done = subprocess.run(
        [str(docker), "compose", "--env-file", "/dev/stdin", "-f", str(COMPOSE), "config", "--quiet"],
        input="".join(f"{name}={value or 'example'}\n" for name, value in example_variables().items()),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_parts_are_there(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {
        "postgres", "redis", "s3", "init", "api-server", "scheduler", "dag-processor", "triggerer",
        "worker-default", "worker-gpu",
    }  # fmt: skip


def test_every_variable_is_in_env_example_and_secrets_are_required() -> None:
    example = example_variables()
    used = {}
    for match in VARIABLE.finditer(TEXT):
        used.setdefault(match["name"], []).append(match["kind"])
    assert set(used) <= set(example)
    for name, kinds in used.items():
        if re.search(r"PASSWORD|SECRET|_KEY$", name):
            assert ":?" in kinds, f"{name} must be required"
            assert ":-" not in kinds, f"{name} must have no default"
            assert example[name] == "", f"{name} must be empty in .env.example"
        else:
            assert None not in kinds, f"{name} needs a default or must be required"
    assert not re.search(r"(?<!\$)\$[A-Za-z]", TEXT), "only ${NAME} is used"


def test_env_example_lists_every_variable_and_no_other() -> None:
    settings = {f"VOICEMAN_{name.upper()}" for name in Settings.model_fields}
    used = {match["name"] for match in VARIABLE.finditer(TEXT)}
    assert set(example_variables()) == used | settings


def test_voiceman_variables_are_settings_with_the_same_defaults(services: dict[str, dict[str, Any]]) -> None:
    fields = {f"VOICEMAN_{name.upper()}": field for name, field in Settings.model_fields.items()}
    plain = services["worker-default"]["environment"]
    for name, value in plain.items():
        if name.startswith("VOICEMAN_"):
            assert name in fields
            if name in ("VOICEMAN_MODEL_DIR", "VOICEMAN_SIGNING_KEY"):  # where the containers have them
                assert str(value).startswith("/"), name
            elif fields[name].default is None:
                assert value in (None, ""), name
            else:
                parsed = type(fields[name].default)("" if value is None else yaml.safe_load(str(value)))
                assert parsed == fields[name].default, name
    passed = {
        name for body in services.values() for name in body.get("environment", {}) if name.startswith("VOICEMAN_")
    }
    assert set(fields) - passed == NOT_IN_COMPOSE


def test_airflow_variables_are_options(services: dict[str, dict[str, Any]]) -> None:
    options = known_options()
    names = {name for body in services.values() for name in body.get("environment", {}) if name.startswith("AIRFLOW__")}
    assert len(names) > 12
    for name in names:
        _, section, option = name.lower().split("__")
        assert (section, option) in options, name
    for body in airflow_services(services).values():
        environment = body["environment"]
        for needed in ("CORE__EXECUTION_API_SERVER_URL", "API_AUTH__JWT_SECRET", "CORE__FERNET_KEY", "API__SECRET_KEY"):
            assert environment[f"AIRFLOW__{needed}"]
        json.loads(environment["AIRFLOW_CONN_VOICEMAN_S3"])


def test_no_secret_literal() -> None:
    for number, line in enumerate(TEXT.splitlines(), 1):
        match = re.match(r"\s*(?:- )?([A-Z_]*(?:PASSWORD|SECRET|_KEY)[A-Z_]*): (.+)", line)
        if match and match[1] not in ("VOICEMAN_SIGNING_KEY", "VOICEMAN_KEYS_DIR"):  # paths
            assert re.fullmatch(r"\$\{[A-Z0-9_]+(:\?[^}]*)?\}", match[2]), f"line {number}: {match[1]}"
    assert not re.search(r"://[^:/\s]*:[^$@\s]+@", TEXT), "a password in a URL"


def test_dependencies_exist_and_have_health_checks(services: dict[str, dict[str, Any]]) -> None:
    for name, body in services.items():
        for needed, how in body.get("depends_on", {}).items():
            assert needed in services, f"{name} needs {needed}"
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[needed], f"{needed} has no health check"
    assert [name for name, body in services.items() if "healthcheck" not in body] == ["init"]
    for name in ("scheduler", "dag-processor", "triggerer", "worker-default", "worker-gpu"):
        assert services[name]["depends_on"]["api-server"]["condition"] == "service_healthy"
        assert services[name]["depends_on"]["init"]["condition"] == "service_completed_successfully"


def test_named_volumes_and_configs_exist(compose: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    volumes, configs = set(), set()
    for body in services.values():
        volumes |= {volume.split(":")[0] for volume in body.get("volumes", []) if not volume.startswith((".", "/"))}
        configs |= {config["source"] for config in body.get("configs", [])}
    assert volumes == set(compose["volumes"])
    assert configs == set(compose["configs"])


def test_nothing_is_published_beyond_this_machine(services: dict[str, dict[str, Any]]) -> None:
    published = {name: body["ports"] for name, body in services.items() if "ports" in body}
    assert set(published) == {"api-server", "s3"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_the_gpu_worker(services: dict[str, dict[str, Any]]) -> None:
    worker = services["worker-gpu"]
    devices = worker["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]
    script, arguments = worker["command"][2], worker["command"][3:]
    assert arguments == ["worker-gpu", "--queues", "gpu"]
    assert "while sleep 600; do ./voiceman devices --register" in script, "seen also while all its devices work"
    assert '--concurrency "$devices" "$@"' in script, "as many tasks as it has devices"
    [leases] = [volume.split(":")[1] for volume in worker["volumes"] if volume.startswith("device-leases:")]
    assert Path(worker["environment"]["VOICEMAN_LEASE_DIR"]).parent == Path(leases), "shared by the host's workers"
    assert re.search(rf"{re.escape(leases)}\b", DOCKERFILE), "the image must make it, or the volume belongs to root"
    assert worker["environment"]["VOICEMAN_DEVICE"] == "cuda"
    [models] = [volume for volume in worker["volumes"] if volume.endswith("/models:ro")]
    assert models.split(":")[1] == worker["environment"]["VOICEMAN_MODEL_DIR"]
    assert worker["build"]["target"] == "gpu"


def test_the_celery_executor_loads(tmp_path: Path) -> None:
    """The locked Celery and the provider fit together (Celery 5.7.0 broke provider 3.26.0's import)."""
    script = (
        "from airflow.providers.celery.executors.celery_executor import app\n"
        "print(app.conf.task_default_queue, app.conf.worker_prefetch_multiplier, app.conf.task_acks_late)\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")} | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CELERY__BROKER_URL": "redis://:secret@redis:6379/0",
        "AIRFLOW__CELERY__RESULT_BACKEND": "db+postgresql://airflow:secret@postgres:5432/airflow",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "default 1 True"


def test_queues_and_pools_of_the_dags_exist(services: dict[str, dict[str, Any]]) -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "dags").glob("*.py")))
    pools = json.loads((ROOT / "pools.json").read_text())
    commands = [body["command"] for body in services.values() if "--queues" in body.get("command", [])]
    queues = {command[command.index("--queues") + 1] for command in commands}
    used_pools = set(re.findall(r"\bpool=\"([^\"]+)\"", source))
    used_queues = set(re.findall(r"\bqueue=\"([^\"]+)\"", source))
    assert used_pools <= set(pools)
    assert used_queues <= queues
    assert "gpu" in used_pools, "transcription must be in the pool gpu"
    assert "gpu" in used_queues, "transcription must be in the queue gpu"
    environment = services["worker-default"]["environment"]
    assert environment["AIRFLOW__OPERATORS__DEFAULT_QUEUE"] in queues


def test_build_targets_and_copied_files_exist(services: dict[str, dict[str, Any]]) -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", DOCKERFILE, re.MULTILINE))
    wanted = {body["build"]["target"] for body in airflow_services(services).values()}
    assert wanted == {"airflow", "gpu"}
    assert wanted <= stages
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    for sources in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), f"the Dockerfile copies {source}, which is not there"
            assert any(Path(source).match(rule.removeprefix("!")) for rule in allowed if rule.startswith("!")), source


def test_the_images_run_as_nobody_special_with_what_is_needed() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    assert all("USER voiceman" in stage for stage in stages if " AS base" not in stage)
    for package in (
        "ffmpeg", "libavcodec-extra", "libpango-1.0-0", "libpangoft2-1.0-0", "libharfbuzz-subset0", "fonts-nanum",
        "curl",
    ):  # fmt: skip
        assert re.search(rf"\b{re.escape(package)}\b", stages[0]), package
    assert "--require-hashes" in stages[1]
    assert "requirements-core.txt" in stages[1]
    assert not re.search(r"^torch==", (ROOT / "requirements-core.txt").read_text(), re.MULTILINE)
    assert re.search(r"^torch==", (ROOT / "requirements.txt").read_text(), re.MULTILINE)


def test_paths_in_the_containers_exist_in_the_image(services: dict[str, dict[str, Any]]) -> None:
    made = set(re.findall(r"/opt/voiceman/[a-z.]+|/keys|/models", DOCKERFILE))
    copied = {
        f"/opt/voiceman/{source}"
        for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE)
        for source in line.split()
    }
    for name, body in airflow_services(services).items():
        paths = {value for value in body["environment"].values() if re.fullmatch(r"/[a-z./]+", str(value))}
        paths |= {volume.split(":")[1] for volume in body["volumes"]}
        for path in paths:
            here = {path, *(str(parent) for parent in Path(path).parents)}
            assert here & (made | copied), f"{name}: {path}"


def test_a_task_s_worker_processes_don_t_run_airflow_again(services: dict[str, dict[str, Any]]) -> None:
    """multiprocessing runs the parent's script in each child, unless it is a package's ``__main__``; Airflow's would
    fail there, for a task's process is given no database."""
    for name in ("worker-default", "worker-gpu"):
        command = " ".join(services[name]["command"])
        assert "python -m airflow celery worker" in command, name
