"""From a drop to a bundle that an outsider checks: the real store, database, stages and signatures."""

import base64
import hashlib
import io
import json
import zipfile

import pytest

from include import evidence, pipeline
from include.errors import EvidenceError
from include.settings import get_settings
from include.storage import Store, layout
from tests.integration.test_job import QUIET, drop, new_job, run_of, work

pytestmark = pytest.mark.integration


@pytest.fixture
def store(store: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("VOICEMAN_REPORT_LANGUAGES", "one")
    for name in ("REDACTED", "PLAYER"):
        monkeypatch.setenv(f"VOICEMAN_REPORT_{name}", "true")
    get_settings.cache_clear()
    return store


def test_a_bundle_holds_what_was_made_and_its_own_verifier_accepts_it(store: Store) -> None:
    job = new_job()
    drop(store, job, {"통화 1.m4a": QUIET, "bad.m4a": b"not audio"})
    work(store, job, run_of(job))
    made = pipeline.recording_bundle(store, job.job_id, "통화 1", by="test")
    signer = evidence.load_signer(get_settings())
    trusted = evidence.VerifyOptions(trusted=frozenset({signer.keyid}))
    report = evidence.verify_bytes(made, trusted)
    assert report.exit_code == 0, [line.text("en") for line in report.lines]
    with zipfile.ZipFile(io.BytesIO(made)) as bundle:
        names = set(bundle.namelist())
        assert names >= {
            "manifest.json", "manifest.dsse.json", "ledger.jsonl", "heads.jsonl", "verify.py", "VERIFY.md",
            "attestations/transcribe.dsse.json", "attestations/analyze.dsse.json", "attestations/report.dsse.json",
            "documents/report.pdf", "documents/report.signed.pdf", "documents/report.html", "documents/transcript.json",
            "documents/forensic.json", "documents/transcript.srt", "documents/container.json",
            "documents/player.html",
            "documents/report.redacted.pdf", "documents/report.redacted.signed.pdf", "documents/redaction.json",
            "documents/certificate.fre902.en.pdf", "documents/certificate.hash.ko.pdf",
        }  # fmt: skip
        events = [json.loads(json.loads(line)["body"]) for line in bundle.read("ledger.jsonl").splitlines()]
        assert [(one["action"], one["actor"]) for one in events if one["action"] == "bundled"] == [("bundled", "test")]
        assert "documents/transcript.rttm" not in names  # nobody spoke
        manifest = json.loads(bundle.read("manifest.json"))
        assert manifest["recording"]["sha256"] == hashlib.sha256(QUIET).hexdigest()
        assert manifest["demo_key"] is True
        roles = {one["path"]: one["role"] for one in manifest["files"]}
        assert roles["documents/report.redacted.pdf"] == "report_redacted"
        assert roles["documents/redaction.json"] == "redaction_log"
        assert roles["documents/player.html"] == "player"
        assert "통화 1".encode() not in bundle.read("documents/redaction.json")
        attested = json.loads(base64.b64decode(json.loads(bundle.read("attestations/report.dsse.json"))["payload"]))
        made_of = {one["name"]: one["digest"]["sha256"] for one in attested["subject"]}
        for kind in ("report.redacted.pdf", "redaction.json", "player.html"):
            assert made_of[f"통화 1_{kind}"] == hashlib.sha256(bundle.read(f"documents/{kind}")).hexdigest()
        pdf = store.read(layout.completed_key(job.job_id, "통화 1_report.pdf"))
        assert bundle.read("documents/report.pdf") == pdf
        signatures = json.loads(bundle.read("documents/signatures.json"))
        assert signatures["report.pdf"]["signed"] is True
        assert signatures["report.pdf"]["demo"] is True
        stamp = json.loads(bundle.read("documents/time-stamp.json"))
        assert stamp["obtained"] is False
        assert stamp["reason"]
    # one changed byte of the report is noticed
    at = made.index(pdf) + len(pdf) // 2
    changed = made[:at] + bytes([made[at] ^ 1]) + made[at + 1 :]
    assert evidence.verify_bytes(changed, trusted).exit_code == 1
    with pytest.raises(EvidenceError, match="is FAILED, not COMPLETED"):
        pipeline.recording_bundle(store, job.job_id, "bad", by="test")
    with pytest.raises(EvidenceError, match="is not known"):
        pipeline.recording_bundle(store, job.job_id, "never", by="test")
