"""A case's custody ledger checked against everything that is at hand: its chain, signed heads, copies, the tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include import evidence, state
from include.errors import LedgerError, SignatureError
from include.pipeline.signing import sign_head
from include.settings import get_settings
from include.storage import layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.evidence import Signer
    from include.storage import Store

__all__ = ["LedgerReport", "check_ledger", "export_ledger", "recording_extract", "signed_export"]


@dataclass
class LedgerReport:
    """What a check found."""

    case: str
    events: int = 0
    signed: int = 0
    """Up to this event the case's chain is signed."""
    heads: int = 0
    copies: int = 0
    """Heads in the store, outside of the database."""
    demo: bool = False
    """A head is signed with a demo key: it proves nothing to others."""
    sealed: bool = False
    """The pipeline's own database role can only append."""
    problems: list[str] = field(default_factory=list)
    """A sentence each; empty: nothing was found."""


def check_ledger(store: Store, case: str) -> LedgerReport:
    """Check a case's ledger in the database.

    Args:
        store: the bucket: it holds copies of heads, which whoever changes the database does not reach.
        case: the case, or the id of one of its jobs.

    Raises:
        SignatureError: the register of public keys can't be used.
        StateError, StorageError: PostgreSQL or S3 can't be reached.
    """
    case = state.case_of(case) or case
    report = LedgerReport(case, sealed=state.ledger_sealed())
    keys, heads = evidence.read_keys(get_settings().public_keys), state.heads_of(case)
    hashes: dict[int, str] = {}

    try:
        with state.events_of(case) as events:

            def noted() -> Iterator[evidence.Event]:
                for event in events:
                    hashes[event.seq] = event.hash
                    yield event

            report.events = evidence.check_chain(noted(), case).count
        newest = evidence.check_against(heads, hashes, keys, case)
        report.heads = len(heads)
        report.signed = max((head.link.seq for head in newest if head.scope is None), default=0)
        report.demo = any(head.demo for head in newest)
        for copy in _copies(store, case):
            report.copies += 1
            evidence.check_copy(copy, hashes, keys, case)
            if copy not in heads:
                report.problems.append("A signed head lies in the store and not in the database: it was deleted there.")
    except (LedgerError, SignatureError) as error:
        report.problems.append(str(error))
        return report  # what the tables say can't be held against a ledger that is not whole
    report.problems += state.unexplained(case)
    return report


def _copies(store: Store, case: str) -> list[bytes]:
    return [store.read(one.key) for job_id in state.jobs_of(case) for one in store.list(layout.head_prefix(job_id))]


def recording_extract(job_id: str, file_id: str, signer: Signer) -> tuple[bytes, bytes]:
    """The extract of the ledger in a recording's bundle, its end signed now (docs/evidence.md).

    Args:
        job_id: the job.
        file_id: the recording.
        signer: whose signature.

    Returns:
        ``ledger.jsonl`` and ``heads.jsonl``: the recording's own chain and the job's, each up to its newest head.

    Raises:
        LedgerError: the job is not known.
        StateError: PostgreSQL can't be reached.
    """
    case = state.case_of(job_id)
    if case is None:
        raise LedgerError(f"There is no event of a job {job_id!r}; see ./voiceman jobs.")
    scopes: list[evidence.Scope] = [(job_id, file_id), (job_id, None)]
    for scope in scopes:
        sign_head(case, scope, signer)
    heads = state.heads_of(case, *scopes)
    newest = evidence.check_heads(heads, evidence.read_keys(get_settings().public_keys), case)
    ends = {head.scope: head.link.seq for head in newest}
    lines: list[bytes] = []
    for scope in scopes:
        with state.events_of(case, scope) as events:
            lines += [event.line() for event in events if event.seq <= ends.get(scope, 0)]
    return b"".join(lines), b"".join(head + b"\n" for head in heads)


def export_ledger(case: str) -> dict[str, bytes]:
    """A case's ledger as files: ``ledger.jsonl``, ``heads.jsonl``, ``keys/…``; checked by ``./voiceman ledger-verify``.

    Args:
        case: the case, or the id of one of its jobs.

    Raises:
        LedgerError: there is no event of it.
    """
    case = state.case_of(case) or case
    with state.events_of(case) as events:
        lines = b"".join(event.line() for event in events)
    if not lines:
        raise LedgerError(f"There is no event of a case or job {case!r}; see ./voiceman jobs.")
    keys = evidence.read_keys(get_settings().public_keys)
    return {
        "ledger.jsonl": lines,
        "heads.jsonl": b"".join(head + b"\n" for head in state.heads_of(case)),
        "keys/keys.json": evidence.keys_json(keys.values()),
    } | {f"keys/{key.keyid}.pem": key.pem for key in keys.values()}


def signed_export(case: str) -> bytes:
    """A case's ledger as one signed zip that ``./voiceman verify`` checks: its list names the heads, too.

    A head of the whole case is signed first, so that nothing in it is without one.

    Args:
        case: the case, or the id of one of its jobs.

    Raises:
        LedgerError: there is no event of it.
        MissingKeyError: there is no key that may sign.
        EvidenceError: ledger and heads do not fit together; nothing is handed out.
    """
    from include.pipeline.signing import sign_head

    settings = get_settings()
    signer = evidence.load_signer(settings)
    case = state.case_of(case) or case
    sign_head(case, None, signer)
    files = export_ledger(case)
    last = evidence.parse_lines(files["ledger.jsonl"])[-1]
    return evidence.make_export(
        case,
        files["ledger.jsonl"],
        files["heads.jsonl"],
        end=(last.seq, last.hash),
        keys=evidence.read_keys(settings.public_keys).values(),
        signer=signer,
        made_at=datetime.now(UTC),
    )
