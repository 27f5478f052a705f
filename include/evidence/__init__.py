"""Evidence: keys and signed envelopes, the custody ledger, attestations. No Airflow, no SQL."""

from include.evidence import dsse
from include.evidence.attestation import (
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    StageFacts,
    attest,
    code_facts,
    read_attestation,
)
from include.evidence.canonical import canonical
from include.evidence.dsse import Envelope
from include.evidence.heads import (
    HEAD_TYPE,
    Head,
    check_against,
    check_copy,
    check_export,
    check_heads,
    sign_head,
)
from include.evidence.intake import MAX_INTAKE_BYTES, IntakeFacts, RecordingFacts, parse_intake
from include.evidence.keys import DEMO_MARK, FileSigner, PublicKey, Signer, key_id, load_signer, open_signer
from include.evidence.ledger import FIRST_PREV, Event, Link, Scope, check_chain, check_extract, event_hash, parse_lines
from include.evidence.register import keys_json, new_key, read_keys, register_key

__all__ = [
    "DEMO_MARK",
    "FIRST_PREV",
    "HEAD_TYPE",
    "MAX_INTAKE_BYTES",
    "PREDICATE_TYPE",
    "STATEMENT_TYPE",
    "Envelope",
    "Event",
    "FileSigner",
    "Head",
    "IntakeFacts",
    "Link",
    "PublicKey",
    "RecordingFacts",
    "Scope",
    "Signer",
    "StageFacts",
    "attest",
    "canonical",
    "check_against",
    "check_chain",
    "check_copy",
    "check_export",
    "check_extract",
    "check_heads",
    "code_facts",
    "dsse",
    "event_hash",
    "key_id",
    "keys_json",
    "load_signer",
    "new_key",
    "open_signer",
    "parse_intake",
    "parse_lines",
    "read_attestation",
    "read_keys",
    "register_key",
    "sign_head",
]
