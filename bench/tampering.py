"""The tampering harness: ``make bench-tampering RUNS=1000``.

Makes 100 bundles, signed PDFs and ledger exports, changes RUNS of them at random (seeded), and has ``verify.py`` judge
all of them in a separate environment that holds nothing but ``cryptography``. Every change must be refused (an exit
code from 1 to 4, no crash), every untouched one accepted. What is changed:

- ledger, heads: lines of a signed export, and bytes within them, packed again properly
- loose: lines and bytes of a ledger.jsonl that lies about beside its heads and keys, without a signed list of files
- rewritten: such a ledger computed anew with right hashes and links, as a superuser of the database could
- rollback: ledger and heads cut together at an earlier head, beside a copy received later (``--against``)
- attestations, files: files of a bundle, packed again properly so that only their contents can give them away
- folder: the same in an unpacked bundle
- zip: bytes of the zip file itself
- pdf: bytes of a signed PDF alone, half of the time within its signature
- stranger: the whole bundle signed anew with another key, for somebody who knows the lab's key (``--trust``)

``--database N`` starts a PostgreSQL, has a superuser change the ledger's rows N times, and judges the exports besides
(bench/tampering_database.py). ``--exports DIR`` judges exports that were made elsewhere, one folder each: those whose
name begins with ``intact`` must be accepted, the others refused.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.sample_evidence import Ledger, MemorySigner, sample_bundle, sample_ledger, signed_export
from bench.tampering_edits import OPERATIONS, change_bytes, change_lines, change_parts, rewrite_ledger
from include.evidence import dsse, keys_json, verifier

ROOT = Path(__file__).resolve().parent.parent
LAB = MemorySigner(b"the laboratory")
TARGETS = (
    "ledger", "heads", "loose", "rewritten", "rollback", "attestations", "files", "folder", "zip", "pdf", "stranger",
)  # fmt: skip
BATCH = 100
"""Cases laid out at a time: a bundle has some 0.2 MB."""


@dataclass
class Case:
    """One thing to judge."""

    name: str
    data: bytes | dict[str, bytes]
    """A file, or a folder's files."""
    target: str
    operation: str
    trust: tuple[str, ...] = ()
    against: dict[str, bytes] = field(default_factory=dict)
    suffix: str = ".zip"


def signed_pdfs(folder: Path) -> dict[str, bytes]:
    """Four signed PDFs: two with a time-stamp of a local authority (OpenSSL), two without."""
    from cryptography import x509
    from weasyprint import HTML

    from bench.local_tsa import LocalTsa
    from include.evidence.certificate import load_pdf_certificate, make_demo_certificate
    from include.evidence.pades import sign_pdf
    from include.evidence.timestamp import Authority
    from include.settings import Settings

    certificate = load_pdf_certificate(Settings(pdf_certificate=str(make_demo_certificate(folder / "demo"))))
    tsa = LocalTsa(folder / "tsa")
    roots = tuple(x509.load_pem_x509_certificates(tsa.root.read_bytes()))
    made = {}
    with tsa.serving() as url:
        for number in range(4):
            page = (
                f"<html lang=ko><title>보고서 {number}</title><h1>감정 보고서 {number}</h1>" + "<p>여보세요</p>" * 200
            )
            pdf = HTML(string=page).write_pdf(pdf_variant="pdf/a-3a")
            signed = sign_pdf(pdf, certificate, Authority(url, roots, 10.0) if number % 2 else None)
            assert signed.signed
            assert (signed.stamped_at is not None) == bool(number % 2)
            made[f"report.{number}.pdf"] = signed.data
    return made


def export_of(ledger: Ledger) -> dict[str, bytes]:
    return {
        "ledger.jsonl": ledger.lines(),
        "heads.jsonl": ledger.head_lines(),
        f"keys/{LAB.keyid}.pem": LAB.public_pem,
        "keys/keys.json": keys_json([LAB.public()]),
    }


def unpacked(bundle: bytes) -> dict[str, bytes]:
    parts = verifier._read_zip(verifier.Report(), bundle)
    assert parts is not None
    return parts


def repacked(parts: dict[str, bytes]) -> bytes:
    return b"".join(verifier.packed_zip(parts.items()))


def cut_together(chance: random.Random, ledger: Ledger) -> dict[str, bytes]:
    """An earlier state, true to the last byte: the ledger up to its first head, with that head."""
    seq = json.loads(dsse.parse(ledger.heads[0][1]).payload)["seq"]
    lines = ledger.lines().splitlines(keepends=True)
    more = chance.randrange(2)  # an event that no head covers, or none
    whole = export_of(ledger)
    return whole | {"ledger.jsonl": b"".join(lines[: seq + more]), "heads.jsonl": ledger.heads[0][1] + b"\n"}


def tampered(number: int, chance: random.Random, bundles: list[bytes], pdfs: list[bytes]) -> Case:
    """Case ``number``: targets and operations take turns, the rest is chance."""
    target = TARGETS[number % len(TARGETS)]
    operation = OPERATIONS[number // len(TARGETS) % len(OPERATIONS)]
    case = Case(f"{number:05d}-{target}-{operation}", b"", target, operation)
    ledger = sample_ledger(LAB, recordings=chance.randrange(1, 5))
    whole = export_of(ledger)
    bundle = chance.choice(bundles)
    change = chance.choice((change_lines, change_bytes))
    if target in {"ledger", "heads"}:
        name, parts = f"{target}.jsonl", unpacked(signed_export(ledger))
        case.data = repacked(parts | {name: change(chance, operation, parts[name])})
    elif target == "loose":
        case.data = whole | {"ledger.jsonl": change(chance, operation, whole["ledger.jsonl"])}
    elif target == "rewritten":
        case.data = whole | {"ledger.jsonl": rewrite_ledger(chance, operation, ledger)}
    elif target == "rollback":
        case.operation, case.data, case.against = "truncate", cut_together(chance, ledger), whole
    elif target == "zip":
        case.data = change_bytes(chance, operation, bundle)
    elif target == "pdf":
        case.data, case.suffix = change_pdf(chance, operation, chance.choice(pdfs)), ".pdf"
    elif target == "stranger":
        other = MemorySigner(chance.randbytes(8))
        case.operation, case.data, case.trust = "sign anew", sample_bundle(number, other), (LAB.keyid,)
    else:
        parts = unpacked(bundle)
        names = [name for name in parts if (target != "attestations") or name.startswith("attestations/")]
        changed = change_parts(chance, operation, parts, names)
        case.data = changed if target == "folder" else repacked(changed)
    return case


def change_pdf(chance: random.Random, operation: str, pdf: bytes) -> bytes:
    """A change anywhere, or (half of the time) within the digits of the signature itself."""
    found = re.search(rb"<30[0-9A-F]{8,}>", pdf)
    assert found is not None
    first = found.start() + 1
    last = first + len(found[0][:-1].rstrip(b"0"))
    if chance.random() < 0.5:
        return change_bytes(chance, operation, pdf)
    return pdf[:first] + change_bytes(chance, operation, pdf[first:last]) + pdf[last:]


def empty_environment(folder: Path) -> Path:
    """A Python that has ``cryptography`` and nothing else; prints what it holds."""
    import cryptography

    uv = ROOT / ".tools/bin/uv"
    wanted = f"cryptography=={cryptography.__version__}"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder], check=True)
    subprocess.run([uv, "pip", "install", "-q", "--python", folder / "bin/python", wanted], check=True)
    listed = subprocess.run(
        [uv, "pip", "list", "-q", "--format", "freeze", "--python", folder / "bin/python"],
        check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    assert {name.partition("==")[0] for name in listed} <= {"cryptography", "cffi", "pycparser"}, listed
    print(f"separate environment: {', '.join(listed)}")
    return folder / "bin/python"


def lay_out(folder: Path, case: Case) -> dict[str, object]:
    path = folder / (case.name + ("" if isinstance(case.data, dict) else case.suffix))
    write(path, case.data)
    told: dict[str, object] = {"path": str(path), "trust": case.trust}
    if case.against:
        write(folder / f"{case.name}-against", case.against)
        told["against"] = str(folder / f"{case.name}-against")
    return told


def write(path: Path, data: bytes | dict[str, bytes]) -> None:
    if isinstance(data, bytes):
        path.write_bytes(data)
        return
    for name, content in data.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)


def judged(python: Path, verify: Path, cases: Iterator[Case]) -> Iterator[tuple[Case, int | None, list[str]]]:
    """What ``verify.py`` says of each case, in batches."""
    while batch := [case for _, case in zip(range(BATCH), cases, strict=False)]:
        with tempfile.TemporaryDirectory(prefix="voiceman-tampering-") as name:
            lines = [json.dumps(lay_out(Path(name), case)) for case in batch]
            done = subprocess.run(
                [python, "-I", ROOT / "bench/tampering_driver.py", verify], input="\n".join(lines) + "\n",
                capture_output=True, text=True, check=True, cwd=name, env={"PATH": os.defpath},
            )  # fmt: skip
        results = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(results) == len(batch)
        for case, found in zip(batch, results, strict=True):
            yield case, found["exit"], found["codes"]


def untouched(bundles: list[bytes], pdfs: list[bytes]) -> Iterator[Case]:
    for number, bundle in enumerate(bundles):
        yield Case(f"intact-{number:03d}", bundle, "bundle", "none")
    for number, pdf in enumerate(pdfs):
        yield Case(f"intact-pdf-{number}", pdf, "pdf", "none", suffix=".pdf")
    for number in range(1, 5):
        ledger = sample_ledger(LAB, recordings=number)
        yield Case(f"intact-export-{number}", signed_export(ledger), "export", "none")
        yield Case(f"intact-loose-{number}", export_of(ledger), "export", "none")
        yield Case(f"intact-folder-{number}", unpacked(bundles[number % len(bundles)]), "folder", "none")


def database_exports(folder: Path) -> Iterator[Case]:
    """Exports that were made of a real database, one folder each."""
    for path in sorted(one for one in folder.iterdir() if one.is_dir()):
        files = {one.relative_to(path).as_posix(): one.read_bytes() for one in path.rglob("*") if one.is_file()}
        yield Case(path.name, files, "database", "none" if path.name.startswith("intact") else "as superuser")


def from_database(count: int, seed: int) -> Iterator[Case]:
    """Exports of a PostgreSQL of its own, whose rows a superuser changed."""
    from bench.tampering_database import database_changes

    for name, files, against in database_changes(count, seed):
        yield Case(name, files, "database", "none" if name.startswith("intact") else "as superuser", against=against)


def run(
    runs: int, seed: int, exports: Path | None = None, *, database: int = 0, bundle_count: int = 100
) -> dict[str, object]:
    """All of it; what is returned goes to bench/results."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="voiceman-tampering-env-") as name:
        folder = Path(name)
        pdfs = signed_pdfs(folder)
        named = list(pdfs.items())
        bundles = [
            sample_bundle(seed * 1000 + n, LAB, dict(named[n % len(named) : n % len(named) + 1]))
            for n in range(bundle_count)
        ]
        verify = folder / "verify.py"
        verify.write_bytes(unpacked(bundles[0])["verify.py"])  # the very file that a bundle carries
        python = empty_environment(folder / "venv")
        chance = random.Random(seed)
        all_pdfs = list(pdfs.values())
        refused: dict[str, Counter[str]] = {}
        missed, rejected, accepted = [], [], 0
        cases = (tampered(n, chance, bundles, all_pdfs) for n in range(runs))
        more = chain(
            database_exports(exports) if exports else iter(()), from_database(database, seed) if database else iter(())
        )
        for case, code, codes in judged(python, verify, chain(cases, untouched(bundles, all_pdfs), more)):
            if case.operation == "none":
                accepted += code == 0
                if code != 0:
                    rejected.append({"case": case.name, "exit": code, "codes": codes})
                continue
            word = {1: "altered", 2: "missing", 3: "unverifiable", 4: "not a bundle"}.get(code or 0, "MISSED")
            refused.setdefault(case.target, Counter())[word] += 1
            if word == "MISSED":
                missed.append({"case": case.name, "exit": code, "codes": codes})
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"), "runs": runs, "seed": seed, "missed": missed,
        "refused": {target: dict(found) for target, found in sorted(refused.items())},
        "untouched": {"accepted": accepted, "rejected": rejected},
        "wall_s": round(time.monotonic() - began, 1),
        "cpu_s_of_verifying": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime, 1),
    }  # fmt: skip


def chain(*iterators: Iterator[Case]) -> Iterator[Case]:
    for one in iterators:
        yield from one


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--exports", type=Path, help="folder of ledger exports of a real database, one folder each")
    parser.add_argument("--database", type=int, default=0, help="changes by a superuser of a PostgreSQL of its own")
    arguments = parser.parse_args()
    found = run(arguments.runs, arguments.seed, arguments.exports, database=arguments.database)
    results = ROOT / "bench/results"
    results.mkdir(exist_ok=True)
    (results / "tampering.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(found, indent=1, ensure_ascii=False))
    bad = found["missed"] or found["untouched"]["rejected"]  # type: ignore[index]
    print("FAILED" if bad else f"all {arguments.runs} changes refused, all untouched ones accepted")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
