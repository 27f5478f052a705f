"""Evidence: keys, signed envelopes, custody ledger, attestations, bundles and their verifier. No Airflow, no SQL."""

from include.evidence import dsse
from include.evidence.attestation import (
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    StageFacts,
    attest,
    code_facts,
    read_attestation,
)
from include.evidence.bundle import BundleFacts, Part, make_bundle, make_export, verifier_source
from include.evidence.canonical import canonical
from include.evidence.certificate import PdfCertificate, load_pdf_certificate, make_demo_certificate
from include.evidence.certificates import (
    CertificateFacts,
    CopyFact,
    FileFact,
    draft_certificates,
    file_facts,
)
from include.evidence.certificates import StageFact as CertificateStage
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
from include.evidence.pades import SignedPdf, sign_pdf
from include.evidence.register import keys_json, new_key, read_keys, register_key
from include.evidence.timestamp import Authority, TimeStamp, obtain, time_stamp_authority
from include.evidence.verifier import Options as VerifyOptions
from include.evidence.verifier import main as verify_command
from include.evidence.verifier import verify_bytes, verify_path

__all__ = [
    "DEMO_MARK",
    "FIRST_PREV",
    "HEAD_TYPE",
    "MAX_INTAKE_BYTES",
    "PREDICATE_TYPE",
    "STATEMENT_TYPE",
    "Authority",
    "BundleFacts",
    "CertificateFacts",
    "CertificateStage",
    "CopyFact",
    "Envelope",
    "Event",
    "FileFact",
    "FileSigner",
    "Head",
    "IntakeFacts",
    "Link",
    "Part",
    "PdfCertificate",
    "PublicKey",
    "RecordingFacts",
    "Scope",
    "SignedPdf",
    "Signer",
    "StageFacts",
    "TimeStamp",
    "VerifyOptions",
    "attest",
    "canonical",
    "check_against",
    "check_chain",
    "check_copy",
    "check_export",
    "check_extract",
    "check_heads",
    "code_facts",
    "draft_certificates",
    "dsse",
    "event_hash",
    "file_facts",
    "key_id",
    "keys_json",
    "load_pdf_certificate",
    "load_signer",
    "make_bundle",
    "make_demo_certificate",
    "make_export",
    "new_key",
    "obtain",
    "open_signer",
    "parse_intake",
    "parse_lines",
    "read_attestation",
    "read_keys",
    "register_key",
    "sign_head",
    "sign_pdf",
    "time_stamp_authority",
    "verifier_source",
    "verify_bytes",
    "verify_command",
    "verify_path",
]
