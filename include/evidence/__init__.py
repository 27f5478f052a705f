"""Evidence: keys and signed envelopes, the custody ledger, attestations. No Airflow, no SQL."""

from include.evidence import dsse
from include.evidence.dsse import Envelope
from include.evidence.keys import DEMO_MARK, FileSigner, PublicKey, Signer, key_id, load_signer
from include.evidence.register import keys_json, new_key, read_keys, register_key

__all__ = [
    "DEMO_MARK",
    "Envelope",
    "FileSigner",
    "PublicKey",
    "Signer",
    "dsse",
    "key_id",
    "keys_json",
    "load_signer",
    "new_key",
    "read_keys",
    "register_key",
]
