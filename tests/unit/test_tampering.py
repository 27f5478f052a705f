"""The tampering harness in small: the same code, 55 changes, this environment (``make bench-tampering`` for more)."""

import random
import sys
from collections import Counter
from pathlib import Path

import pytest

from bench.sample_evidence import sample_bundle
from bench.tampering import LAB, TARGETS, Case, chain, database_exports, judged, signed_pdfs, tampered, untouched
from bench.tampering_edits import OPERATIONS
from include.evidence import verifier

RUNS = 55


@pytest.fixture(scope="module")
def pdfs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return signed_pdfs(tmp_path_factory.mktemp("pdfs"))


def test_every_change_is_refused_and_nothing_else(pdfs: dict[str, bytes]) -> None:
    named = list(pdfs.items())
    bundles = [sample_bundle(n, LAB, dict(named[n % 4 : n % 4 + 1])) for n in range(4)]
    chance = random.Random(20261127)
    cases = (tampered(n, chance, bundles, list(pdfs.values())) for n in range(RUNS))
    seen: Counter[tuple[str, str]] = Counter()
    wrong = []
    everything = chain(cases, untouched(bundles, list(pdfs.values())))
    for case, code, codes in judged(Path(sys.executable), Path(verifier.__file__), everything):
        seen[case.target, case.operation] += 1
        if code is None or (code == 0) != (case.operation == "none"):
            wrong.append((case.name, code, codes))
    assert wrong == []
    assert sum(seen.values()) == RUNS + 4 + 4 + 12
    assert {target for target, operation in seen if operation != "none"} == set(TARGETS)
    assert {operation for _, operation in seen} >= set(OPERATIONS)


def test_the_harness_notices_what_is_not_refused(tmp_path: Path) -> None:
    """A harness that can't fail proves nothing: a verifier that accepts everything, and one that breaks."""
    broken = tmp_path / "verify.py"
    source = Path(verifier.__file__).read_text(encoding="utf-8")
    case = Case("x", b"no bundle", "zip", "edit")
    broken.write_text(source.replace("return int(self.verdict.value or 0)", "return 0"))
    assert [code for _, code, _ in judged(Path(sys.executable), broken, iter([case]))] == [0]
    broken.write_text(source.replace("def _verify(report", "def _verify(nonsense, report"))
    assert [code for _, code, _ in judged(Path(sys.executable), broken, iter([case]))] == [None]


def test_exports_of_a_database_are_taken_by_name(tmp_path: Path) -> None:
    for name in ("intact-1", "row-changed"):
        (tmp_path / name / "keys").mkdir(parents=True)
        (tmp_path / name / "ledger.jsonl").write_bytes(b"x\n")
        (tmp_path / name / "keys" / "keys.json").write_bytes(b"[]")
    found = list(database_exports(tmp_path))
    assert [(case.name, case.operation) for case in found] == [("intact-1", "none"), ("row-changed", "as superuser")]
    assert set(found[0].data) == {"ledger.jsonl", "keys/keys.json"}
