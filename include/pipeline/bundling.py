"""The evidence bundle of a completed recording, from what lies in the store and the database."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include import __version__, evidence, state, stt
from include.errors import EvidenceError, MissingObjectError
from include.evidence import BundleFacts, CertificateFacts, CopyFact, Part
from include.manifest import State
from include.pipeline.custody import recording_extract
from include.pipeline.kept import check_original
from include.settings import get_settings
from include.storage import layout

if TYPE_CHECKING:
    from include.evidence import Authority, Signer
    from include.manifest import Recording
    from include.storage import Store

__all__ = ["recording_bundle"]

log = logging.getLogger(__name__)

_ROLES = {
    "transcript.json": "transcript",
    "forensic.json": "analysis",
    "container.json": "container",
    "report.redacted.pdf": "report_redacted",
    "redaction.json": "redaction_log",
    "player.html": "player",
}


def recording_bundle(store: Store, job_id: str, file_id: str, *, by: str) -> bytes:
    """Make ``{file_id}.zip``: results, attestations, ledger extract, keys, drafts, and the verifier.

    The documents are the artefacts byte for byte, as the stages attested them. With a PDF certificate each report lies
    there signed, too (``….signed.pdf``). With a time-stamp authority the newest head is stamped. What was not obtained,
    and why, is in ``documents/signatures.json``.

    Args:
        store: the bucket.
        job_id: the job.
        file_id: the recording; it must be COMPLETED.
        by: who asks for it: an event of the recording, which is in the bundle, too.

    Raises:
        DigestMismatchError: the original or a result was changed.
        EvidenceError: there is no such recording, it is not completed, or the parts don't fit together.
        MissingKeyError: there is no key that may sign.
        StorageError, StateError: S3 or PostgreSQL can't be reached.
    """
    settings = get_settings()
    signer = evidence.load_signer(settings)
    row = state.recordings_of(job_id, [file_id]).get(file_id)
    if row is None or row.state is not State.COMPLETED:
        what = "is not known" if row is None else f"is {row.state.value}, not COMPLETED"
        raise EvidenceError(f"The recording {file_id} of job {job_id} {what}; a bundle is made of what is completed.")
    recording, now = row.recording, datetime.now(UTC)
    authority = evidence.time_stamp_authority(settings)
    documents = _documents(store, recording, authority)
    state.note(job_id, file_id, state.Note("bundled", "an evidence bundle is being made"), state.Actor("", 0, by))
    lines, heads = recording_extract(job_id, file_id, signer)
    own = [event for event in evidence.parse_lines(lines) if event.scope == (job_id, file_id)]
    stamp = evidence.obtain(heads.splitlines()[-1], authority)
    documents.append(Part("documents/time-stamp.json", evidence.canonical(stamp.facts()), "time_stamp"))
    facts = BundleFacts(
        case=own[-1].case,
        job=job_id,
        file_id=file_id,
        recording_name=recording.received_name or recording.name,
        recording_sha256=recording.sha256,
        recording_size=recording.size_bytes,
        made_at=now,
        ledger_seq=own[-1].seq,
        ledger_hash=own[-1].hash,
    )
    return evidence.make_bundle(
        facts,
        [*documents, *_drafts(store, row, documents, facts, signer)],
        ledger=[Part("ledger.jsonl", lines, "ledger"), Part("heads.jsonl", heads, "heads")],
        attestations=state.attestations(job_id, file_id),
        keys=evidence.read_keys(settings.public_keys).values(),
        signer=signer,
        stamps=[] if stamp.response is None else [Part("timestamps/head.tsr", stamp.response, "time_stamp")],
    )


def _documents(store: Store, recording: Recording, authority: Authority | None) -> list[Part]:
    """The artefacts as they were made, the transcript's exports, and signed copies of the reports."""
    certificate = evidence.load_pdf_certificate(get_settings())
    parts: list[Part] = []
    signatures: dict[str, object] = {}
    for kind, made in sorted(state.artefacts(recording.job_id, recording.file_id)[recording.file_id].items()):
        if kind == "attestations.jsonl":
            continue  # each lies under attestations/
        data = store.read(store.key(made.ref.uri), sha256=made.ref.sha256)
        parts.append(Part(f"documents/{kind}", data, _ROLES.get(kind, "report")))
        if kind == "transcript.json":
            transcript = stt.Transcript.model_validate_json(data)
            parts += [
                Part(f"documents/transcript.{name}", stt.export(transcript, name).encode(), "transcript_export")
                for name in ("srt", "rttm")
                if name != "rttm" or transcript.speakers.method != "none"  # no speakers, no turns
            ]
        if kind.endswith(".pdf"):
            signed = evidence.sign_pdf(data, certificate, authority)
            signatures[kind] = signed.facts()
            if signed.signed:
                parts.append(Part(f"documents/{kind.removesuffix('.pdf')}.signed.pdf", signed.data, "report_signed"))
    parts.append(Part("documents/signatures.json", evidence.canonical(signatures), "signatures"))
    return parts


def _drafts(
    store: Store, row: state.RecordingState, documents: list[Part], facts: BundleFacts, signer: Signer
) -> list[Part]:
    """Certificates for a person to read, complete and sign."""
    recording = row.recording
    found = state.intake_of(recording.job_id)
    stated = None if found is None else found[0].of(facts.recording_name)
    copies = [CopyFact(role="original", place="as received", size=recording.size_bytes, sha256=recording.sha256)]
    try:
        check_original(store, recording)
    except MissingObjectError as error:
        # gone by the lab's own retention policy, which is an event in the ledger: the draft has no line for it
        log.warning("The drafts of %s name no preservation copy: %s", recording.file_id, error)
    else:
        copies.append(
            CopyFact(
                role="preservation",
                place=layout.original_key(recording.job_id, recording.name),
                size=recording.size_bytes,
                sha256=recording.sha256,
                hashed_at=datetime.now(UTC),
                tool=f"VoiceMan {__version__} (Python hashlib)",
            )
        )
    return evidence.draft_certificates(
        CertificateFacts(
            case=facts.case,
            job=facts.job,
            file_id=facts.file_id,
            file_name=facts.recording_name,
            received_at=row.received_at,
            submitter=None if stated is None else stated.submitter,
            requester=None if found is None else found[0].requester,
            device=None if stated is None else stated.device,
            legal_basis=None if found is None else found[0].legal_basis,
            copies=tuple(copies),
            documents=evidence.file_facts(documents),
            ledger_seq=facts.ledger_seq,
            ledger_hash=facts.ledger_hash,
            keyid=signer.keyid,
            demo_key=signer.demo,
            made_at=facts.made_at,
            software_version=__version__,
        )
    )
