"""What tasks are forked from has imported what their bodies import, and nothing that must not be forked."""

import json
import os
import subprocess
import sys

import pytest

from include.settings import ROOT

SHOW = """
import json, os, sys
sys.argv[1:] = {arguments!r}
import airflow.settings
assert "airflow_local_settings" in sys.modules
print(json.dumps([sorted(sys.modules), len(os.listdir("/proc/self/task"))]))
"""


def imported(*arguments: str) -> set[str]:
    command = [sys.executable, "-W", "ignore", "-c", SHOW.format(arguments=list(arguments))]
    answer = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    )
    # OpenBLAS has threads unless told otherwise, and ends them itself before a fork
    modules, threads = json.loads(answer.stdout.splitlines()[-1])
    assert threads == 1  # a lock that another thread holds would stay locked in the fork
    return set(modules)


BODIES = {"include.pipeline.stages", "include.pipeline.summary", "airflow.providers.amazon.aws.hooks.s3", "psycopg"}


@pytest.mark.parametrize("arguments", [("scheduler", "--skip-serve-logs"), ("celery", "worker")])
def test_tasks_find_their_imports(arguments: tuple[str, ...]) -> None:
    modules = imported(*arguments)
    assert modules >= BODIES
    assert not {"torch", "ctranslate2", "onnxruntime", "weasyprint"} & modules


def test_a_dag_parse_needs_no_more_than_the_wiring() -> None:
    modules = imported("dag-processor")
    assert "include.pipeline.tasks" in modules
    assert not BODIES & modules


def test_other_commands_import_nothing() -> None:
    assert not {name for name in imported("dags", "list") if name.startswith("include.")}
