"""Rules of the house that a reader would otherwise have to check by eye."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from include import plain
from include.report import StatedFacts
from include.settings import ROOT

PACKAGES = ["storage", "state", "stt", "forensic", "container", "redaction", "evidence", "report", "pipeline", "local"]
MODULES = sorted((ROOT / "include").rglob("*.py"))
MAY_USE_AIRFLOW = {"pipeline", "state", "storage", "local"}


def imports(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    found = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    return found + [alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nobody_imports_past_a_door_or_airflow(path: Path) -> None:
    own = path.relative_to(ROOT / "include").parts[0]
    # the two modules that Airflow and the command line must load by their full name
    doors_passed = {"include.pipeline.client"} if own == "submission.py" else set()
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "include" and len(parts) > 2 and parts[1] in PACKAGES and parts[1] != own:
            assert name in doors_passed, f"{path} imports {name}; use include.{parts[1]}"
        if parts[0] == "airflow":
            assert own in MAY_USE_AIRFLOW, f"{path} imports Airflow"
        assert parts[0] != "dags"


def test_only_settings_reads_the_environment() -> None:
    allowed = {"settings.py", "console.py", "environment.py", "engine.py", "weights.py", "supervisor.py"}
    # environments of child processes; CUDA's; one connection's
    allowed |= {
        "processes.py",
        "airflow_admin.py",
        "alone.py",
        "lease.py",
        "devices.py",
        "database.py",
        "hybrid.py",
        "rendering.py",
    }
    for path in MODULES:
        if path.name not in allowed:
            assert "os.environ" not in path.read_text(), path


def test_schemas_in_docs_are_current(tmp_path: Path) -> None:
    subprocess.run([ROOT / "voiceman", "schemas", tmp_path], check=True, timeout=60)
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert set(written) == set(plain.schema_files())
    for name, text in written.items():
        assert (ROOT / "docs" / "schemas" / name).read_text() == text, f"{name}: run make schemas"


def test_no_model_repeats_what_people_said_in_its_errors() -> None:
    """A traceback goes to the log; pydantic would quote the refused value in it."""
    for path in MODULES:
        for found in re.finditer(r"(?<![A-Za-z])ConfigDict\(((?:[^()]|\([^()]*\))*)\)", path.read_text()):
            assert "hide_input_in_errors=True" in found[1], path
    with pytest.raises(ValidationError) as refused:
        StatedFacts.model_validate({"requester": ["an unheard-of name"]})
    assert "unheard-of" not in str(refused.value)


def test_the_pipelines_door_names_what_is_there() -> None:
    from include import pipeline

    assert sorted(pipeline._HOME) == sorted(pipeline.__all__)
    for name in pipeline.__all__:
        assert callable(getattr(pipeline, name)), name


def test_a_dag_that_is_read_loads_no_stage() -> None:
    code = (
        "import sys, include.pipeline.tasks, include.pipeline.claim, include.pipeline.watch; print(list(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    for name in ("include.forensic", "include.report", "include.pipeline.stages", "numpy"):
        assert f"'{name}'" not in out.stdout, name
    assert "'include.pipeline.claim'" in out.stdout


@pytest.mark.parametrize("name", ["include.cli", "include.pipeline.stages", "include.plain", "include.pipeline.drop"])
def test_heavy_packages_are_not_imported_at_the_top(name: str) -> None:
    heavy = [
        "torch",
        "whisperx",
        "weasyprint",
        "pandas",
        "matplotlib",
        "parselmouth",
        "kiwipiepy",
        "ctranslate2",
        "ray",
    ]
    code = f"import sys, {name}; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert out.stdout.strip().splitlines()[-1] == "[]"


def test_no_third_party_data_is_committed() -> None:
    data = ROOT.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("development data is not here")
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    ours = {(ROOT / name).read_bytes() for name in listed.split("\0") if name and (ROOT / name).is_file()}
    theirs = [path for path in data.rglob("*") if path.is_file() and path.stat().st_size > 500]
    assert theirs
    assert not [path for path in theirs if path.read_bytes() in ours]
