"""The report over the recordings of a case: at a job's end under ``completed/{job_id}/``, or when somebody asks.

It reads what is in the store and the database, of all jobs that have the case's number. That it was made, by whom and
with which digests, is an event of each job's own chain; names of recordings are not in it.
"""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from include import __version__, evidence, forensic, report, state, stt
from include.errors import EmptyJobError, StorageError
from include.job_summary import CaseReportMade, JobSummary, Place
from include.manifest import State
from include.pipeline.course import MOST_RECORDINGS, JobRecordings, Member, read_members
from include.pipeline.rendering import case_report_languages, render_case
from include.settings import get_settings
from include.storage import layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.evidence import IntakeFacts
    from include.state import Actor
    from include.storage import Store

__all__ = ["case_facts", "case_report_of", "job_recordings", "write_case_report"]

log = logging.getLogger(__name__)


def job_recordings(job_id: str) -> JobRecordings:
    """A job's recordings and what was stated of them, from the database."""
    stated = state.intake_of(job_id)
    return JobRecordings(
        job_id,
        state.recordings_of(job_id),
        state.artefacts(job_id),
        None if stated is None else stated[0],
        state.related_to(job_id),
    )


def case_facts(
    jobs: Sequence[JobRecordings], members: Sequence[Member], *, by: str, documents: Sequence[str] = ()
) -> report.CaseFacts:
    """What a case report prints beside the course.

    Args:
        jobs: the jobs of the case.
        members: their recordings that could be read.
        by: who makes it.
        documents: in which times and persons are stated.
    """
    stated = [job.stated for job in jobs if job.stated is not None]
    have = {(one.entry.job_id, one.entry.file_id) for one in members}
    return report.CaseFacts(
        case_number=next((one.case_number for one in stated if one.case_number), None),
        jobs=[job.job_id for job in jobs],
        requester=_requesters(jobs),
        questions=list(dict.fromkeys(question for one in stated for question in one.questions or ())),
        stated_in=list(documents),
        made_by=by,
        generated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        software_version=__version__,
        entries=[one.entry for one in members],
        left_out=[
            report.LeftOut(job_id=job.job_id, name=row.recording.received_name or row.recording.name, reason=_why(row))
            for job in jobs
            for key, row in job.rows.items()
            if (job.job_id, key) not in have
        ],
        categories={key: value for one in members for key, value in one.categories.items()},
    )


def _requesters(jobs: Sequence[JobRecordings]) -> str | None:
    """Everybody who asked; with the jobs where there are several, since none of them speaks for the others."""
    asked: dict[str, list[str]] = {}
    for job in jobs:
        if job.stated is not None and job.stated.requester:
            asked.setdefault(job.stated.requester, []).append(job.job_id)
    if len(asked) < 2:
        return next(iter(asked), None)
    return "; ".join(f"{name} ({', '.join(ids)})" for name, ids in asked.items())


def _why(row: state.RecordingState) -> str:
    if row.state is State.COMPLETED:
        return "Its analysis can't be read any more."
    return f"The recording is {row.state.value}, not COMPLETED."


def _documents(jobs: Sequence[JobRecordings]) -> list[str]:
    known = {job.job_id: state.intake_of(job.job_id) for job in jobs}
    return [f"intake.json {job_id} (SHA-256 {one[1]})" for job_id, one in known.items() if one is not None]


def case_report_of(
    store: Store, job_ids: Sequence[str], *, by: str, stated: tuple[IntakeFacts, str] | None = None
) -> dict[str, bytes]:
    """Make the case report over several jobs; an event of each job says who did.

    With a PDF certificate each PDF comes signed, too; what was signed and time-stamped, or why not, is in
    ``case_report.signatures.json``.

    Args:
        store: the bucket.
        job_ids: whose recordings.
        by: who asks for it.
        stated: facts that go before the jobs' own, and how to name their document.

    Returns:
        ``case_report.ko.pdf``, ``case_report.ko.signed.pdf`` … → contents.

    Raises:
        EmptyJobError: fewer than two recordings are completed and readable, or too many.
        MissingKeyError: a PDF certificate is configured and can't sign.
        StorageError, StateError: S3 or PostgreSQL can't be reached.
    """
    certificate = evidence.load_pdf_certificate(get_settings())  # before the work: it may be wrong
    jobs = [job_recordings(one) for one in job_ids]
    documents = _documents(jobs)
    if stated is not None:
        jobs = [JobRecordings(one.job_id, one.rows, one.made, stated[0], one.related) for one in jobs]
        documents = [stated[1]]
    members = read_members(store, jobs)
    course = (
        members if isinstance(members, stt.NotMeasured) else forensic.case_course([one.recording for one in members])
    )
    if isinstance(members, stt.NotMeasured) or isinstance(course, stt.NotMeasured):
        reason = course.reason if isinstance(course, stt.NotMeasured) else ""
        raise EmptyJobError(f"No case report of {', '.join(job_ids)}: {reason}")
    facts = case_facts(jobs, members, by=by, documents=documents)
    files = {f"case_report.{name}": data for name, data in render_case(facts, course, case_report_languages()).items()}
    files |= _signed(files, certificate)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    for job_id in job_ids:
        _note(job_id, digests, len(members), len(jobs), state.Actor("", 0, by))
    return files


def _signed(files: dict[str, bytes], certificate: evidence.PdfCertificate | None) -> dict[str, bytes]:
    """Signed copies of the PDFs, and what came of it, as in a recording's bundle."""
    authority = evidence.time_stamp_authority(get_settings())
    made = {
        name: evidence.sign_pdf(data, certificate, authority) for name, data in files.items() if name.endswith(".pdf")
    }
    signed = {f"{name.removesuffix('.pdf')}.signed.pdf": one.data for name, one in made.items() if one.signed}
    told = evidence.canonical({name: one.facts() for name, one in made.items()})
    return signed | {"case_report.signatures.json": told}


def write_case_report(
    store: Store, job: JobRecordings, members: Sequence[Member] | stt.NotMeasured, actor: Actor
) -> CaseReportMade | stt.NotMeasured:
    """Make the case report at a job's end. Its failure is told in the summary and never fails the job.

    Args:
        store: the bucket.
        job: the job that ends.
        members: its recordings, read already.
        actor: who ends it.

    Raises:
        StorageError, StateError: S3 or PostgreSQL can't be reached.
    """
    if not get_settings().case_report:
        return stt.NotMeasured(reason="VOICEMAN_CASE_REPORT is off.")
    if "case" in job.rows:
        return stt.NotMeasured(
            reason="A recording of the job is called 'case', and its own reports have the names that the case report "
            "would have; ./voiceman case-report makes one elsewhere."
        )
    try:
        return _write(store, job, members, actor)
    except StorageError as error:
        if error.retryable:
            raise
        failed: Exception = error
    except Exception as error:  # noqa: BLE001 (every recording has its own report: this one must not undo the job)
        failed = error
    log.error("The case report of job %s could not be made.", job.job_id, exc_info=failed)
    return stt.NotMeasured(reason=f"It could not be made ({type(failed).__name__}); see the log of the task summarize.")


def _write(
    store: Store, job: JobRecordings, members: Sequence[Member] | stt.NotMeasured, actor: Actor
) -> CaseReportMade | stt.NotMeasured:
    case = state.case_of(job.job_id)
    others = [one for one in (state.jobs_of(case) if case else []) if one != job.job_id]
    if len(others) >= MOST_RECORDINGS:
        return stt.NotMeasured(reason=f"The case has {len(others) + 1} jobs; name those of one report to case-report.")
    jobs = sorted([job, *map(job_recordings, others)], key=lambda one: one.job_id)
    read = read_members(store, jobs) if others else members
    if isinstance(read, stt.NotMeasured):
        return read
    course = forensic.case_course([one.recording for one in read])
    if isinstance(course, stt.NotMeasured):
        return stt.NotMeasured(reason="A case report needs at least two completed recordings.")
    facts = case_facts(jobs, read, by=actor.name, documents=_documents(jobs))
    languages = case_report_languages()
    inputs = _inputs(facts, course, languages)
    before = _made_before(store, job.job_id)
    if before is not None and before.inputs_sha256 == inputs and _lies_there(store, before):
        return before
    rendered = render_case(facts, course, languages)
    if before is not None:
        _keep_replaced(store, job.job_id, before)
    files = {
        f"case_report.{name}": store.write(layout.case_report_key(job.job_id, name), data, content_type=_type(name))
        for name, data in rendered.items()
    }
    _note(job.job_id, {name: ref.sha256 for name, ref in files.items()}, len(read), len(jobs), actor)
    return CaseReportMade(
        files={name: Place(uri=ref.uri, sha256=ref.sha256) for name, ref in files.items()},
        recordings=len(read),
        jobs=[one.job_id for one in jobs],
        inputs_sha256=inputs,
    )


def _type(name: str) -> str:
    return "application/pdf" if name.endswith(".pdf") else "text/html; charset=utf-8"


def _inputs(facts: report.CaseFacts, course: forensic.CaseCourse, languages: Sequence[str]) -> str:
    """SHA-256 over all that decides what the report holds, but when and by which task it is made."""
    held = facts.model_dump(mode="json", exclude={"generated_at", "made_by"})
    text = json.dumps(
        [held, course.model_dump(mode="json"), list(languages), report.case_report_digest()], sort_keys=True
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _made_before(store: Store, job_id: str) -> CaseReportMade | None:
    """As the job's last summary tells; None when there is none, or none that can be read."""
    key = layout.summary_key(job_id)
    if not store.exists(key):
        return None
    try:
        made = JobSummary.model_validate_json(store.read(key)).case_report
    except ValidationError:
        return None
    return made if isinstance(made, CaseReportMade) else None


def _lies_there(store: Store, made: CaseReportMade) -> bool:
    keys = {store.key(one.uri): one.sha256 for one in made.files.values()}
    return all(store.exists(key) and store.sha256(key) == sha256 for key, sha256 in keys.items())


def _keep_replaced(store: Store, job_id: str, made: CaseReportMade) -> None:
    """What may have been handed out stays, as results of recordings do."""
    for name, one in made.files.items():
        key = store.key(one.uri)
        if store.exists(key):
            kind = name.removeprefix("case_")
            kept = layout.superseded_key(job_id, "case", kind, one.sha256)
            store.write(kept, store.read(key), content_type=_type(name))


def _note(job_id: str, digests: dict[str, str], recordings: int, jobs: int, actor: Actor) -> None:
    told = f"over {recordings} recordings of {jobs} {'job' if jobs == 1 else 'jobs'}"
    state.note(job_id, None, state.Note("case report", told, digests), actor)
