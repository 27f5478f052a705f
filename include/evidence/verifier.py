"""Verify a VoiceMan evidence bundle, ledger export or signed PDF: one file, offline, without VoiceMan.

Needs Python 3.11 or newer and the package ``cryptography``; nothing else, no network. The same file is ``verify.py``
in every bundle and what ``./voiceman verify`` runs::

    python verify.py BUNDLE.zip            # or the folder it was unpacked to, a ledger export, a signed PDF
    python verify.py BUNDLE.zip --trust 0123…   --lang ko   --recording CALL.m4a   --json

Take this file from the laboratory or the project, not from the bundle that you doubt: whoever can forge a bundle can
forge the program inside it. It prints its own SHA-256.

Exit codes: 0 intact · 1 altered · 2 parts are missing · 3 can't be verified (unknown key, no signature) · 4 not a
bundle. Altered outweighs unverifiable, which outweighs missing.

How it works: signatures are checked over bytes before these bytes are parsed. ``manifest.dsse.json`` signs the exact
bytes of ``manifest.json``, which lists every other file with its SHA-256; the ledger's events are hash-linked and the
signed heads pin its end. Forms that could be written in two ways (JSON, base64, zip, the hexadecimal container of a
PDF signature) are accepted only in the one way in which VoiceMan writes them, so that no byte can change unseen.

Sources: DSSE v1 (secure-systems-lab/dsse), RFC 8785 (JSON), RFC 5652 (CMS), RFC 5035 (ESS), RFC 3161 (time-stamps),
ISO 32000-2 §12.8 and ETSI EN 319 142-1 (PDF signatures), PKWARE APPNOTE 6.3 (zip).
"""

from __future__ import annotations

import argparse
import base64
import binascii
import dataclasses
import hashlib
import io
import json
import locale
import re
import stat
import struct
import sys
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

__all__ = [
    "PARSING",
    "SHA256",
    "Options",
    "Report",
    "Signed",
    "Stamp",
    "Status",
    "check_pdf",
    "main",
    "packed_zip",
    "read_time_stamp",
    "unsafe_name",
    "verify_bytes",
    "verify_path",
]

MAX_FILE = 1 << 30
"""Largest file read, bytes; also the largest sum of a bundle's files."""
MAX_FILES = 4096
"""Most files of a bundle."""
MAX_DIRECTORY = MAX_FILES * 512
"""Largest directory of a zip file, bytes: it is read into memory before any entry is looked at."""
MAX_RATIO = 200
"""Highest compression of a zip entry over 1 MiB. VoiceMan's own bundles are not compressed at all."""
MAX_ENVELOPE = 16 << 20
"""Largest signed envelope or ledger line, bytes."""

BUNDLE_TYPE = "application/vnd.voiceman.bundle+json"
HEAD_TYPE = "application/vnd.voiceman.head+json"
STATEMENT_TYPE = "application/vnd.in-toto+json"
ZEROS = "0" * 64
_HEX64 = re.compile(r"[0-9a-f]{64}")


# --------------------------------------------------------------------------------------------------------------------
# What is said, in English and Korean
# --------------------------------------------------------------------------------------------------------------------


class Status(Enum):
    """What one line says; the value is its exit code (None: none of its own)."""

    OK = 0
    NOTE = None
    ALTERED = 1
    MISSING = 2
    UNVERIFIABLE = 3
    NOT_A_BUNDLE = 4


_LABELS = {
    Status.OK: ("ok", "확인"),
    Status.NOTE: ("note", "참고"),
    Status.ALTERED: ("ALTERED", "변경됨"),
    Status.MISSING: ("MISSING", "누락"),
    Status.UNVERIFIABLE: ("UNVERIFIABLE", "확인 불가"),
    Status.NOT_A_BUNDLE: ("NOT A BUNDLE", "묶음 아님"),
}

_SEVERITY = (Status.NOT_A_BUNDLE, Status.ALTERED, Status.UNVERIFIABLE, Status.MISSING, Status.OK)

_VERDICTS = {
    Status.OK: (
        "INTACT: everything that was signed is here and unchanged.",
        "무결: 서명된 모든 것이 그대로 있고 변경되지 않았습니다.",
    ),
    Status.ALTERED: (
        "ALTERED: this is not what was signed. See the lines marked ALTERED.",
        "변경됨: 서명된 내용과 다릅니다. '변경됨' 줄을 보십시오.",
    ),
    Status.MISSING: (
        "INCOMPLETE: what is here is unchanged, but parts are missing.",
        "불완전: 남아 있는 것은 그대로이나 빠진 부분이 있습니다.",
    ),
    Status.UNVERIFIABLE: (
        "NOT VERIFIED: nothing speaks for a change, but it can't be proved intact either.",
        "확인 불가: 변경의 흔적은 없으나 무결함을 증명할 수도 없습니다.",
    ),
    Status.NOT_A_BUNDLE: (
        "NOT A BUNDLE: this is nothing that this program can verify.",
        "묶음 아님: 이 프로그램이 확인할 수 있는 파일이 아닙니다.",
    ),
}

_TEXTS: dict[str, tuple[str, str]] = {
    "not_there": ("{path} is not there.", "{path}: 없는 파일입니다."),
    "not_known": (
        "{path} is neither a bundle (zip or folder), nor a ledger export (.jsonl), nor a PDF.",
        "{path}: 묶음(zip 또는 폴더), 원장 내보내기(.jsonl), PDF 중 어느 것도 아닙니다.",
    ),
    "too_large": (
        "{path} is larger than {limit} bytes; it was not opened.",
        "{path}: {limit}바이트보다 커서 열지 않았습니다.",
    ),
    "unreadable": ("{path} can't be read ({why}).", "{path}: 읽을 수 없습니다({why})."),
    "zip_damaged": (
        "The zip file is damaged or cut off ({why}).",
        "zip 파일이 손상되었거나 잘렸습니다({why}).",
    ),
    "zip_ok": (
        "The zip container is byte for byte as it was packed.",
        "zip 파일의 구조가 만들어진 그대로입니다(모든 바이트).",
    ),
    "zip_repacked": (
        "The zip container is not as VoiceMan packs it: it was changed or packed anew. Its contents are checked below; "
        "if you packed it anew yourself, verify the unpacked folder instead.",
        "zip 파일의 구조가 VoiceMan이 만든 것과 다릅니다. 변경되었거나 다시 압축되었습니다. 내용은 아래에서 "
        "확인합니다. 직접 다시 압축했다면 압축을 푼 폴더를 확인하십시오.",
    ),
    "name_refused": (
        "The name {name} is refused ({why}); nothing of the bundle was opened.",
        "이름 {name} 거부({why}). 묶음의 내용을 열지 않았습니다.",
    ),
    "too_many": ("More than {limit} files; refused.", "파일이 {limit}개를 넘어 거부합니다."),
    "bomb": (
        "{name} unpacks to {size} bytes from {packed}; refused as a decompression bomb.",
        "{name}: {packed}바이트가 {size}바이트로 풀려 압축 폭탄으로 보고 거부합니다.",
    ),
    "not_plain": (
        "{name} is a link or no plain file; refused.",
        "{name}: 링크이거나 일반 파일이 아니어서 거부합니다.",
    ),
    "no_manifest": (
        "There is neither manifest.json nor manifest.dsse.json.",
        "manifest.json과 manifest.dsse.json이 모두 없습니다.",
    ),
    "signature_missing": (
        "manifest.dsse.json, the signature over the list of files, is missing: nothing can be verified without it.",
        "파일 목록의 서명(manifest.dsse.json)이 없습니다. 이것 없이는 아무것도 확인할 수 없습니다.",
    ),
    "envelope_form": (
        "{name} is not in the form in which it was signed and stored ({why}).",
        "{name}: 서명되어 저장된 형식이 아닙니다({why}).",
    ),
    "signature_bad": (
        "The signature of {name} does not fit its contents: one of them was changed.",
        "{name}: 서명과 내용이 맞지 않습니다. 둘 중 하나가 변경되었습니다.",
    ),
    "key_unknown": (
        "{name} is signed by the key {keyid}, which is not at hand: give the laboratory's key with --keys.",
        "{name}: 서명한 키 {keyid}가 없습니다. --keys로 감정기관의 키를 지정하십시오.",
    ),
    "key_untrusted": (
        "{name} is signed by the key {keyid}, which is not the one that you trust.",
        "{name}: 서명한 키 {keyid}는 신뢰한다고 지정한 키가 아닙니다.",
    ),
    "key_false": (
        "{name} does not hold the key that its name says.",
        "{name}: 이름이 가리키는 키가 들어 있지 않습니다.",
    ),
    "key_period": (
        "{name} was signed at {at} by the key {keyid}, which was not in use then ({period}).",
        "{name}: {at}에 서명되었으나 키 {keyid}의 사용 기간({period})이 아닙니다.",
    ),
    "key_purpose": (
        "{name} was signed by the key {keyid}, which the bundle's list of keys does not name.",
        "{name}: 키 목록에 없는 키 {keyid}로 서명되었습니다.",
    ),
    "key_trusted": (
        "The signer's key {keyid} is one that you named as trusted.",
        "서명한 키 {keyid}는 신뢰한다고 지정한 키입니다.",
    ),
    "key_enclosed": (
        "The public key came with what it signs. Its fingerprint is {keyid}: compare it with the one that the "
        "laboratory publishes, or run again with --trust FINGERPRINT. Without that comparison anybody could have "
        "made and signed this.",
        "공개키가 서명된 자료와 함께 들어 있습니다. 지문: {keyid}. 감정기관이 공개한 지문과 대조하거나 "
        "--trust 지문으로 다시 실행하십시오. 대조하지 않으면 누구든지 만들어 서명한 것일 수 있습니다.",
    ),
    "demo": (
        "*** DEMONSTRATION KEY: {keyid} is a key for trials that anybody may have. This is NO evidence. ***",
        "*** 시연용 키: {keyid}는 누구나 가질 수 있는 시험용 키입니다. 증거로 쓸 수 없습니다. ***",
    ),
    "manifest_ok": (
        "The list of files (manifest) is signed and unchanged: case {case}, recording {recording}, made {made_at}.",
        "파일 목록(manifest)의 서명이 유효하고 변경되지 않았습니다: 사건 {case}, 녹음 {recording}, 작성 {made_at}.",
    ),
    "export_ok": (
        "The list of files of this ledger export is signed and unchanged: case {case}, made {made_at}.",
        "원장 내보내기의 파일 목록에 대한 서명이 유효하고 변경되지 않았습니다: 사건 {case}, 작성 {made_at}.",
    ),
    "heads_loose": (
        "These are loose files: the events are proved by the newest head, but no signature says which heads there "
        "should be. A signed export (zip) does.",
        "낱개 파일입니다. 사건 기록은 마지막 머리 기록으로 증명되지만, 머리 기록이 모두 있는지는 서명으로 확인되지 "
        "않습니다. 서명된 내보내기(zip)는 이것도 확인합니다.",
    ),
    "manifest_differs": (
        "manifest.json is not the list of files that was signed; the signed one is used below.",
        "manifest.json이 서명된 파일 목록과 다릅니다. 아래에서는 서명된 목록을 사용합니다.",
    ),
    "manifest_form": (
        "The signed list of files is not one that this version understands ({why}).",
        "서명된 파일 목록을 이 버전이 해석할 수 없습니다({why}).",
    ),
    "files_ok": ("All {count} listed files are here and unchanged.", "목록의 파일 {count}개가 모두 그대로 있습니다."),
    "file_altered": (
        "{name} was changed: SHA-256 {found}, signed was {signed}.",
        "{name}: 변경되었습니다. SHA-256 {found}, 서명 당시 {signed}.",
    ),
    "file_missing": ("{name} is missing.", "{name}: 없습니다."),
    "file_extra": (
        "{name} is not in the signed list: it was added later.",
        "{name}: 서명된 목록에 없습니다. 나중에 추가되었습니다.",
    ),
    "ledger_ok": (
        "The custody ledger: {count} events ({first} to {last}), each linked to the one before.",
        "보관 연속성 원장: 사건 기록 {count}건({first}~{last}번), 각각 앞의 기록에 연결되어 있습니다.",
    ),
    "extract_ok": (
        "The custody ledger of this recording and its job: {count} events (numbers {first} to {last} of the case), "
        "none left out, each linked to the one before.",
        "이 녹음과 그 작업의 보관 연속성 원장: 사건 기록 {count}건(사건 전체 번호 {first}~{last}), 빠짐없이 각각 앞의 "
        "기록에 연결되어 있습니다.",
    ),
    "ledger_none": ("The custody ledger (ledger.jsonl) is missing.", "보관 연속성 원장(ledger.jsonl)이 없습니다."),
    "ledger_form": (
        "Ledger line {line} is not an event in its stored form ({why}).",
        "원장 {line}번째 줄이 저장된 형식의 기록이 아닙니다({why}).",
    ),
    "ledger_hash": (
        "Ledger event {seq} was edited: its hash does not fit its contents.",
        "원장 {seq}번 기록이 수정되었습니다. 해시가 내용과 맞지 않습니다.",
    ),
    "ledger_link": (
        "Ledger event {seq} does not follow the event before it: something was removed, inserted, reordered or "
        "rewritten there.",
        "원장 {seq}번 기록이 앞의 기록에 이어지지 않습니다. 삭제·삽입·순서 변경 또는 재작성이 있었습니다.",
    ),
    "ledger_gap": (
        "Ledger event {seq} stands where event {wanted} should: events were removed, inserted or reordered.",
        "원장 {wanted}번이 있어야 할 곳에 {seq}번이 있습니다. 삭제·삽입 또는 순서 변경이 있었습니다.",
    ),
    "ledger_case": (
        "Ledger event {seq} belongs to another case ({case}).",
        "원장 {seq}번 기록은 다른 사건({case})의 것입니다.",
    ),
    "ledger_short": (
        "The ledger was cut off: it ends at event {last}, a signed head says {seq}.",
        "원장이 잘렸습니다. {last}번에서 끝나지만 서명된 머리 기록은 {seq}번까지입니다.",
    ),
    "ledger_unsigned": (
        "Ledger events {first} to {last} come after the last signed head: no signature covers them.",
        "원장 {first}~{last}번 기록은 마지막 서명 이후의 것으로, 서명으로 확인되지 않습니다.",
    ),
    "against_ok": (
        "Compared with {path}: {count} signed points of the same case, all alike.",
        "{path}와(과) 대조: 같은 사건의 서명된 지점 {count}개가 모두 같습니다.",
    ),
    "against_bad": (
        "{path} holds no signed heads of this case that can be verified, so nothing was compared.",
        "{path}: 확인할 수 있는 이 사건의 서명된 머리 기록이 없어 대조하지 못했습니다.",
    ),
    "against_differs": (
        "{path} says otherwise: it has another hash for event {seq} of this case. One of the two was rewritten.",
        "{path}와(과) 다릅니다. 이 사건 {seq}번 기록의 해시가 서로 다르므로 둘 중 하나는 다시 쓰인 것입니다.",
    ),
    "against_short": (
        "This is an older state, or its end was cut off: it ends at event {last}, {path} has event {seq}.",
        "이전 상태이거나 끝이 잘렸습니다. {last}번에서 끝나지만 {path}에는 {seq}번이 있습니다.",
    ),
    "ledger_manifest": (
        "The signed list of files names another end of the ledger than its head.",
        "서명된 파일 목록이 가리키는 원장의 끝이 머리 기록과 다릅니다.",
    ),
    "heads_ok": (
        "{count} signed heads pin the ledger; the last one: event {seq}, {at}.",
        "서명된 머리 기록 {count}개가 원장을 고정합니다. 마지막: {seq}번, {at}.",
    ),
    "heads_none": (
        "The signed heads (heads.jsonl) are missing: the ledger's end can't be verified.",
        "서명된 머리 기록(heads.jsonl)이 없어 원장의 끝을 확인할 수 없습니다.",
    ),
    "head_form": ("Head {line} is not a head in its stored form ({why}).", "머리 기록 {line}: 형식이 다릅니다({why})."),
    "head_differs": (
        "Head {line} is of another ledger: at event {seq} it signed another hash than the ledger has.",
        "머리 기록 {line}: 원장 {seq}번의 해시가 서명된 것과 다릅니다. 원장이 다시 쓰였습니다.",
    ),
    "head_chain": (
        "Head {line} does not follow the head before it: a head was removed, inserted or reordered.",
        "머리 기록 {line}: 앞의 머리 기록에 이어지지 않습니다. 삭제·삽입 또는 순서 변경이 있었습니다.",
    ),
    "head_first": (
        "The heads before the first one here are not part of this file.",
        "첫 머리 기록 이전의 것은 이 파일에 들어 있지 않습니다.",
    ),
    "attestations_ok": (
        "{count} signed statements of how each stage worked: {stages}.",
        "처리 단계별 서명된 확인서 {count}건: {stages}.",
    ),
    "attestation_form": ("{name} is no statement of a stage ({why}).", "{name}: 단계 확인서가 아닙니다({why})."),
    "outputs_named": (
        "{count} documents are outputs that these statements name.",
        "문서 {count}건이 이 확인서에 적힌 결과물과 일치합니다.",
    ),
    "recording_ok": (
        "The recording {name} is the one that was received (SHA-256 {sha256}).",
        "녹음 파일 {name}은(는) 접수된 것과 같습니다(SHA-256 {sha256}).",
    ),
    "recording_differs": (
        "The recording {name} is not the one that was received: SHA-256 {found}, received was {signed}.",
        "녹음 파일 {name}은(는) 접수된 것과 다릅니다: SHA-256 {found}, 접수 당시 {signed}.",
    ),
    "recording_hint": (
        "The original recording is not part of the bundle; its SHA-256 is {sha256}. Check your copy with "
        "--recording FILE.",
        "원본 녹음은 묶음에 들어 있지 않습니다. SHA-256은 {sha256}입니다. --recording 파일로 사본을 확인하십시오.",
    ),
    "pdf_unsigned": (
        "{name} carries no signature of its own.",
        "{name}: PDF 자체에는 서명이 없습니다.",
    ),
    "pdf_damaged": (
        "{name}: the signature was damaged or removed ({why}).",
        "{name}: 서명이 손상되었거나 제거되었습니다({why}).",
    ),
    "pdf_range": (
        "{name} was changed after it was signed: the signature does not cover the whole file.",
        "{name}: 서명 후 변경되었습니다. 서명이 파일 전체에 미치지 않습니다.",
    ),
    "pdf_bad": (
        "{name} was changed after it was signed ({why}).",
        "{name}: 서명 후 변경되었습니다({why}).",
    ),
    "pdf_ok": (
        "{name} is signed and unchanged. Signer: {signer}; claimed time: {at}.",
        "{name}: 서명이 유효하고 변경되지 않았습니다. 서명자: {signer}, 기재된 시각: {at}.",
    ),
    "pdf_several": (
        "{name} carries {count} signatures by different keys: what was added between them must be looked at in a PDF "
        "viewer.",
        "{name}: 서로 다른 키의 서명이 {count}개입니다. 그 사이에 추가된 내용은 PDF 뷰어에서 확인해야 합니다.",
    ),
    "certificate": (
        "The certificate came with the file: {subject}, SHA-256 of its key {keyid}, of the topmost certificate "
        "{root}. Compare it with what its issuer publishes (--roots FILE, --trust FINGERPRINT).",
        "인증서가 파일에 들어 있습니다: {subject}, 키의 SHA-256 {keyid}, 최상위 인증서의 SHA-256 {root}. 발급기관이 "
        "공개한 것과 대조하십시오(--roots 파일, --trust 지문).",
    ),
    "certificate_trusted": (
        "The certificate {subject} is one that you trust.",
        "인증서 {subject}은(는) 신뢰한다고 지정한 것입니다.",
    ),
    "certificate_untrusted": (
        "{name}: the certificate {subject} is not one that you trust.",
        "{name}: 인증서 {subject}은(는) 신뢰한다고 지정한 것이 아닙니다.",
    ),
    "certificate_open": (
        "{name}: the certificate of {issuer}, which issued that of {subject}, is not enclosed: give it with --roots, "
        "else the latter can't be verified.",
        "{name}: {subject}의 인증서를 발급한 {issuer}의 인증서가 들어 있지 않습니다. --roots로 지정해야 확인할 수 "
        "있습니다.",
    ),
    "certificate_demo": (
        "*** DEMONSTRATION CERTIFICATE: {subject}. The signature of {name} identifies nobody. ***",
        "*** 시연용 인증서: {subject}. {name}의 서명은 누구도 증명하지 않습니다. ***",
    ),
    "certificate_period": (
        "{name}: the certificate {subject} was not valid at the time of signing ({at}).",
        "{name}: 서명 시각({at})에 인증서 {subject}의 유효기간이 아닙니다.",
    ),
    "stamp_ok": (
        "{name}: time-stamp of {at} by {authority}, policy {policy}, over {what}.",
        "{name}: 시점확인 {at}, 발급 {authority}, 정책 {policy}, 대상 {what}.",
    ),
    "stamp_bad": (
        "{name}: the time-stamp is not valid ({why}).",
        "{name}: 시점확인 토큰이 유효하지 않습니다({why}).",
    ),
    "stamp_other": (
        "{name}: the time-stamp is of something that is not in this bundle.",
        "{name}: 시점확인 토큰의 대상이 이 묶음에 없습니다.",
    ),
    "stamp_none": (
        "No time-stamp of an outside authority was obtained: times are the laboratory's own clock.",
        "외부 기관의 시점확인을 받지 않았습니다. 시각은 감정기관의 시계에 따른 것입니다.",
    ),
}


def shown(value: object, limit: int = 300) -> str:
    """A text from outside made safe for a terminal: invisible and reordering signs written out, cut to ``limit``."""
    text = str(value)
    text = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(
        char if char.isprintable() else "\\u{" + format(ord(char), "x") + "}" for char in text
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Line:
    """One statement of the verdict."""

    status: Status
    code: str
    values: Mapping[str, object]

    def text(self, language: str) -> str:
        """The statement in ``ko`` or ``en``, what came from outside made harmless."""
        said = _TEXTS[self.code][language == "ko"]
        return said.format(**{name: shown(value) for name, value in self.values.items()})


class Report:
    """The lines of a verdict, in the order in which things were looked at."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def add(self, status: Status, code: str, **values: object) -> None:
        """One more line; a thousand at most, so that a hostile file can't fill the screen."""
        if len(self.lines) < 1000 or status not in {line.status for line in self.lines}:
            self.lines.append(Line(status, code, values))

    def ok(self, code: str, **values: object) -> None:
        """Something was checked and holds."""
        self.add(Status.OK, code, **values)

    def note(self, code: str, **values: object) -> None:
        """Something to know."""
        self.add(Status.NOTE, code, **values)

    def altered(self, code: str, **values: object) -> None:
        """Something is not what was signed."""
        self.add(Status.ALTERED, code, **values)

    def missing(self, code: str, **values: object) -> None:
        """Something that was signed is not here."""
        self.add(Status.MISSING, code, **values)

    def unverifiable(self, code: str, **values: object) -> None:
        """Something can't be checked with what is at hand."""
        self.add(Status.UNVERIFIABLE, code, **values)

    @property
    def verdict(self) -> Status:
        """The worst of all lines; nothing checked is not intact."""
        found = {line.status for line in self.lines}
        return next((status for status in _SEVERITY if status in found), Status.UNVERIFIABLE)

    @property
    def exit_code(self) -> int:
        """0 intact, 1 altered, 2 missing, 3 unverifiable, 4 not a bundle."""
        return int(self.verdict.value or 0)

    def render(self, language: str) -> str:
        """All lines and the verdict, as text."""
        column = 1 if language == "ko" else 0
        rows = [f"[{_LABELS[line.status][column]}] {line.text(language)}" for line in self.lines]
        return "\n".join([*rows, "", _VERDICTS[self.verdict][column], ""])

    def as_dict(self, language: str) -> dict[str, object]:
        """The same for programs."""
        return {
            "schema": "voiceman.verdict/1",
            "verdict": self.verdict.name.lower(),
            "exit_code": self.exit_code,
            "text": _VERDICTS[self.verdict][language == "ko"],
            "lines": [
                {"status": line.status.name.lower(), "code": line.code, "text": line.text(language)}
                for line in self.lines
            ],
        }


class RefusedError(Exception):
    """Bytes that are not what they should be; the message says why, in a few words."""


# --------------------------------------------------------------------------------------------------------------------
# Names, zip, folder
# --------------------------------------------------------------------------------------------------------------------


def unsafe_name(name: str) -> str | None:
    """Why a path of a bundle is refused; None when it is safe on every common file system."""
    parts = name.split("/")
    faults = {
        "empty or too long": not name or len(name.encode("utf-8", "surrogatepass")) > 400,
        "absolute": name.startswith("/") or re.match(r"[A-Za-z]:", name) is not None,
        "backslash, colon or control character": "\\" in name or ":" in name or not name.isprintable(),
        "leads out of the bundle": bool({"", ".", ".."} & set(parts)),
        "space or dot at its end": any(part != part.strip(" ") or part.endswith(".") for part in parts),
        "not in Unicode form NFC": name != unicodedata.normalize("NFC", name),
    }
    return next((why for why, found in faults.items() if found), None)


def packed_zip(parts: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """The one zip file that holds these parts: sorted by name, stored, without times, so without any slack.

    Args:
        parts: path → contents; every path must be safe (:func:`unsafe_name`) and named once.

    Stored and not deflated, because another zlib would deflate to other bytes: what is packed must be the same
    everywhere, and the verifier builds it again to compare.
    """
    date = 0x0021  # 1980-01-01, the earliest that zip can say
    directory = []
    offset = 0
    for name, data in sorted(parts, key=lambda part: part[0].encode()):
        raw = name.encode()
        common = struct.pack("<HHHHIIIHH", 0x0800, 0, 0, date, zlib.crc32(data), len(data), len(data), len(raw), 0)
        yield b"PK\x03\x04" + struct.pack("<H", 20) + common + raw
        yield data
        attributes = struct.pack("<HHHII", 0, 0, 0, (stat.S_IFREG | 0o644) << 16, offset)
        directory.append(b"PK\x01\x02" + struct.pack("<HH", 0x0314, 20) + common + attributes + raw)
        offset += 30 + len(raw) + len(data)
    size = sum(map(len, directory))
    yield from directory
    yield b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, len(directory), len(directory), size, offset, 0)


def _is_packed_so(data: bytes, parts: Mapping[str, bytes]) -> bool:
    """Whether ``data`` is exactly what :func:`packed_zip` makes of these parts."""
    at = 0
    for piece in packed_zip(parts.items()):
        if data[at : at + len(piece)] != piece:
            return False
        at += len(piece)
    return at == len(data)


class _Names:
    """The names seen so far; refuses unsafe ones and those that some file system would take for one another."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.seen: set[str] = set()

    def accept(self, name: str) -> bool:
        why = unsafe_name(name)
        folded = unicodedata.normalize("NFC", name).casefold()
        if why is None and folded in self.seen:
            why = "named twice"
        if why is None and len(self.seen) >= MAX_FILES:
            self.report.altered("too_many", limit=MAX_FILES)
            return False
        if why is not None:
            self.report.altered("name_refused", name=name, why=why)
            return False
        self.seen.add(folded)
        return True


def _has_small_directory(data: bytes) -> bool:
    """Whether the zip's directory, wherever a reader may look for its end, is no larger than a bundle's can be."""
    tail = max(0, len(data) - 22 - 0xFFFF - 20)
    for found in re.finditer(rb"PK\x05\x06", data[tail:]):
        at = tail + found.start()
        zip64 = data[max(at - 20, 0) : at].startswith(b"PK\x06\x07")
        if at + 22 <= len(data) and (zip64 or struct.unpack_from("<I", data, at + 12)[0] > MAX_DIRECTORY):
            return False
    return True


def _read_zip(report: Report, data: bytes) -> dict[str, bytes] | None:
    if not _has_small_directory(data):
        report.altered("too_many", limit=MAX_FILES)
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            names = _Names(report)
            total = 0
            for entry in entries:
                if not names.accept(entry.orig_filename.removesuffix("/") or entry.orig_filename):
                    return None
                kind = stat.S_IFMT(entry.external_attr >> 16)
                if entry.is_dir() or entry.flag_bits & 1 or kind not in {0, stat.S_IFREG}:
                    report.altered("not_plain", name=entry.filename)
                    return None
                total += entry.file_size
                much = entry.file_size > 1 << 20 and entry.file_size > MAX_RATIO * entry.compress_size
                if much or total > MAX_FILE:
                    report.altered("bomb", name=entry.filename, size=entry.file_size, packed=entry.compress_size)
                    return None
            # zipfile stops at the size that the directory states and compares the CRC, so a lie there is an error
            parts = {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError,
            struct.error, UnicodeError, MemoryError, OverflowError, LookupError) as error:  # fmt: skip
        report.altered("zip_damaged", why=error)
        return None
    if _is_packed_so(data, parts):
        report.ok("zip_ok")
    else:
        report.altered("zip_repacked")
    return parts


def _read_folder(report: Report, folder: Path) -> dict[str, bytes] | None:
    parts: dict[str, bytes] = {}
    names = _Names(report)
    total = 0
    waiting = [folder]
    while waiting:
        for path in sorted(waiting.pop().iterdir()):
            # macOS hands names out decomposed
            name = unicodedata.normalize("NFC", path.relative_to(folder).as_posix())
            if not names.accept(name):
                return None
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                waiting.append(path)
                continue
            if not stat.S_ISREG(mode):
                report.altered("not_plain", name=name)
                return None
            total += path.lstat().st_size
            if total > MAX_FILE:
                report.unverifiable("too_large", path=folder, limit=MAX_FILE)
                return None
            parts[name] = path.read_bytes()
    return parts


# --------------------------------------------------------------------------------------------------------------------
# Canonical JSON, keys, envelopes
# --------------------------------------------------------------------------------------------------------------------


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise RefusedError("a name stands twice")
    return found


def _not_a_number(text: str) -> float:
    raise RefusedError(f"{text} is no JSON")


def _json(data: bytes) -> Any:
    """Parse JSON that was authenticated already, or that must be parsed to find its signature.

    Raises:
        RefusedError: not JSON, too deep, or a name twice.
    """
    if len(data) > MAX_ENVELOPE:
        raise RefusedError("too large")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_not_a_number)
    except (ValueError, RecursionError) as error:
        raise RefusedError("not JSON") from error


def _canonical(value: object) -> bytes:
    """RFC 8785 of what this program compares: ASCII names, texts and whole numbers."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except (UnicodeError, RecursionError) as error:
        raise RefusedError("a lone surrogate") from error


def _fields(data: bytes, names: set[str]) -> dict[str, Any]:
    """A JSON object with exactly these names, in canonical form."""
    found = _json(data)
    if not isinstance(found, dict) or set(found) != names:
        raise RefusedError("other fields than expected")
    if _canonical(found) != data:
        raise RefusedError("written in another way than VoiceMan writes it")
    return found


def _hex64(value: object) -> str:
    if not isinstance(value, str) or not _HEX64.fullmatch(value):
        raise RefusedError("no SHA-256 in hexadecimal")
    return value


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise RefusedError("no whole number")
    return value


def _instant(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise RefusedError("no time with a zone")
    return moment.astimezone(UTC)


@dataclasses.dataclass(frozen=True)
class KeyFacts:
    """What a signed list says of a key."""

    since: datetime
    until: datetime | None
    demo: bool


class Keys:
    """The public keys at hand, by fingerprint: SHA-256 of the DER SubjectPublicKeyInfo."""

    def __init__(self, trusted: frozenset[str]) -> None:
        self.found: dict[str, ed25519.Ed25519PublicKey] = {}
        self.trusted = trusted
        self.facts: dict[str, KeyFacts] | None = None
        """From the bundle's signed keys.json; None until it is verified."""

    def load(self, data: bytes) -> str:
        """Take one PEM public key; its fingerprint.

        Raises:
            RefusedError: not one.
        """
        try:
            key = serialization.load_pem_public_key(data)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise RefusedError("no PEM public key") from error
        if not isinstance(key, ed25519.Ed25519PublicKey):
            raise RefusedError("no Ed25519 key")
        spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        keyid = _sha256(spki)
        self.found[keyid] = key
        return keyid

    def vouched(self, keyid: str) -> bool:
        """Whether a key may sign: no key is pinned, it is pinned, or a signed list of a pinned key names it."""
        return not self.trusted or keyid in self.trusted or (self.facts is not None and keyid in self.facts)


def _pems(data: bytes) -> list[bytes]:
    return re.findall(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\s*", data, re.DOTALL)


def _take_enclosed_keys(report: Report, keys: Keys, parts: Mapping[str, bytes]) -> None:
    """The keys that came along. Each is named by its own fingerprint, so none can pass for another."""
    for name, data in parts.items():
        if not (name.startswith("keys/") and name.endswith(".pem")):
            continue
        own = Keys(frozenset())
        try:
            keyid = own.load(data)
        except RefusedError:
            keyid = ""
        if name == f"keys/{keyid}.pem":
            keys.found.setdefault(keyid, own.found[keyid])
        else:
            report.altered("key_false", name=name)


def _envelope(data: bytes, payload_type: str) -> tuple[str, bytes, bytes]:
    """A DSSE envelope's key id, signature and payload; nothing of the payload is parsed.

    Raises:
        RefusedError: it is none, or not in the one form in which VoiceMan writes it.
    """
    found = _fields(data, {"payload", "payloadType", "signatures"})
    if found["payloadType"] != payload_type:
        raise RefusedError("signed as something else")
    signatures = found["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], dict):
        raise RefusedError("not exactly one signature")
    if set(signatures[0]) != {"keyid", "sig"}:
        raise RefusedError("other fields than expected")
    keyid = _hex64(signatures[0]["keyid"])
    return keyid, _base64(signatures[0]["sig"]), _base64(found["payload"])


def _base64(value: object) -> bytes:
    try:
        decoded = base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except (binascii.Error, ValueError) as error:
        raise RefusedError("no base64") from error
    if decoded is None or base64.b64encode(decoded).decode() != value:
        raise RefusedError("no base64 in its only form")
    return decoded


def _opened(report: Report, name: str, data: bytes, payload_type: str, keys: Keys) -> tuple[str, bytes] | None:
    """The key id and the payload of an envelope whose signature holds; else a line, and None."""
    try:
        keyid, signature, payload = _envelope(data, payload_type)
    except RefusedError as error:
        report.altered("envelope_form", name=name, why=error)
        return None
    key = keys.found.get(keyid)
    if key is None:
        report.unverifiable("key_unknown", name=name, keyid=keyid)
        return None
    kind = payload_type.encode()
    try:
        key.verify(signature, b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
    except InvalidSignature:
        report.altered("signature_bad", name=name)
        return None
    if not keys.vouched(keyid):
        report.unverifiable("key_untrusted", name=name, keyid=keyid)
        return None
    if keys.facts is not None and keyid not in keys.facts:
        report.altered("key_purpose", name=name, keyid=keyid)
        return None
    return keyid, payload


def _in_use(report: Report, name: str, keys: Keys, keyid: str, at: datetime) -> None:
    facts = (keys.facts or {}).get(keyid)
    if facts is not None and not (facts.since <= at and (facts.until is None or at <= facts.until)):
        period = f"{facts.since.isoformat()} – {facts.until.isoformat() if facts.until else ''}"
        report.altered("key_period", name=name, at=at.isoformat(), keyid=keyid, period=period)


def _say_key(report: Report, keys: Keys, keyid: str, *, demo: bool) -> None:
    if keyid in keys.trusted:
        report.ok("key_trusted", keyid=keyid)
    else:
        report.note("key_enclosed", keyid=keyid)
    if demo:
        report.note("demo", keyid=keyid)


def _read_key_facts(data: bytes) -> dict[str, KeyFacts]:
    found = _json(data)
    if not isinstance(found, list):
        raise RefusedError("no list")
    facts = {}
    for one in found:
        if not isinstance(one, dict) or not {"keyid", "from", "until", "demo"} <= set(one):
            raise RefusedError("other fields than expected")
        until = None if one["until"] is None else _instant(one["until"])
        facts[_hex64(one["keyid"])] = KeyFacts(_instant(one["from"]), until, one["demo"] is not False)
    return facts


# --------------------------------------------------------------------------------------------------------------------
# The ledger and its heads
# --------------------------------------------------------------------------------------------------------------------

_EVENT = {"schema", "case", "seq", "prev", "body", "hash"}
_HEAD = {"schema", "case", "scope", "count", "seq", "hash", "at", "previous_head"}
Scope = tuple[str, str | None] | None
"""Whose events: a job and a recording (None: what concerns the whole job); None: the whole case."""


@dataclasses.dataclass(frozen=True)
class Event:
    """One event whose own hash holds."""

    case: str
    seq: int
    prev: str
    hash: str
    scope: Scope
    own_seq: int
    """Its number among the events of its own job and recording."""
    own_prev: str


class _EditedError(Exception):
    def __init__(self, seq: int) -> None:
        super().__init__(seq)
        self.seq = seq


def _event(line: bytes) -> Event:
    found = _fields(line, _EVENT)
    case, seq, prev, body, stated = (found[name] for name in ("case", "seq", "prev", "body", "hash"))
    if found["schema"] != "voiceman.event/1" or not isinstance(body, str):
        raise RefusedError("another schema")
    if not isinstance(case, str) or not case.isprintable():
        raise RefusedError("no case")  # a line end in it would let one event pass for another under the same hash
    text = f"voiceman.event/1\n{case}\n{_whole(seq)}\n{_hex64(prev)}\n{body}".encode()
    if _sha256(text) != _hex64(stated):
        raise _EditedError(seq)
    told = _json(body.encode())
    if not isinstance(told, dict) or not {"job", "recording", "own_seq", "own_prev"} <= set(told):
        raise RefusedError("other fields than expected")
    scope = _scope(told["job"], told["recording"])
    return Event(case, seq, prev, stated, scope, _whole(told["own_seq"]), _hex64(told["own_prev"]))


def _scope(job: object, recording: object) -> tuple[str, str | None]:
    if not isinstance(job, str) or not (recording is None or isinstance(recording, str)):
        raise RefusedError("no job and recording")
    return job, recording


def _lines(data: bytes) -> list[bytes]:
    """The lines of a JSONL file; the last one must be ended.

    Raises:
        RefusedError: it is not.
    """
    if not data:
        return []
    if not data.endswith(b"\n"):
        raise RefusedError("the last line is cut off")
    return data[:-1].split(b"\n")


def _check_events(report: Report, data: bytes, case: str | None, *, whole: bool) -> list[Event] | None:
    """The events of a ledger; None after the first line that doesn't hold.

    Args:
        whole: the case's whole chain from event 1 on; else an extract: whole chains of single recordings.
    """
    events: list[Event] = []
    newest: dict[Scope, Event] = {}
    number = data.count(b"\n") + 1
    try:
        for number, line in enumerate(_lines(data), 1):
            event = _event(line)
            before = events[-1] if events else None
            fault = _out_of_line(event, number, before, case) if whole else None
            fault = fault or _out_of_own_line(event, newest.get(event.scope), case)
            if fault is not None:
                report.altered(fault, seq=event.seq, wanted=number, case=event.case)
                return None
            events.append(event)
            newest[event.scope] = event
            case = event.case
    except _EditedError as error:
        report.altered("ledger_hash", seq=error.seq)
        return None
    except RefusedError as error:
        report.altered("ledger_form", line=number, why=error)
        return None
    return events


def _out_of_line(event: Event, number: int, before: Event | None, case: str | None) -> str | None:
    """What speaks against an event at its place in the case's chain."""
    if event.seq != number:
        return "ledger_gap"
    if case is not None and event.case != case:
        return "ledger_case"
    return "ledger_link" if event.prev != (before.hash if before else ZEROS) else None


def _out_of_own_line(event: Event, before: Event | None, case: str | None) -> str | None:
    """What speaks against an event at its place in its recording's own chain."""
    if case is not None and event.case != case:
        return "ledger_case"
    last_seq, own_seq, own_hash = (before.seq, before.own_seq, before.hash) if before else (0, 0, ZEROS)
    holds = event.seq > last_seq and event.own_seq == own_seq + 1 and event.own_prev == own_hash
    return None if holds else "ledger_link"


@dataclasses.dataclass(frozen=True)
class Head:
    """One signed head."""

    case: str
    scope: Scope
    count: int
    seq: int
    hash: str
    at: datetime
    previous: str | None
    digest: str
    """SHA-256 of its payload: what the next head names."""
    line: int
    keyid: str
    demo: bool


def _head(payload: bytes, line: int, keyid: str) -> Head:
    found = _json(payload)
    if not isinstance(found, dict) or not set(found) >= _HEAD or found["schema"] != "voiceman.head/1":
        raise RefusedError("other fields than expected")
    previous, scope = found["previous_head"], found["scope"]
    if scope is not None and not isinstance(scope, dict):
        raise RefusedError("no job and recording")
    return Head(
        str(found["case"]),
        None if scope is None else _scope(scope.get("job"), scope.get("recording")),
        _whole(found["count"]),
        _whole(found["seq"]),
        _hex64(found["hash"]),
        _instant(found["at"]),
        None if previous is None else _hex64(previous),
        _sha256(payload),
        line,
        keyid,
        found.get("demo_key", False) is not False,
    )


def _check_heads(report: Report, data: bytes, keys: Keys, case: str | None, *, whole: bool) -> list[Head] | None:
    """The heads, each signed and linked to the one before of its scope; None when one doesn't hold.

    Args:
        whole: each scope's first head must be here.
    """
    heads: list[Head] = []
    newest: dict[Scope, Head] = {}
    number = data.count(b"\n") + 1
    try:
        for number, line in enumerate(_lines(data), 1):
            name = f"heads.jsonl:{number}"
            opened = _opened(report, name, line, HEAD_TYPE, keys)
            if opened is None:
                return None
            head = _head(opened[1], number, opened[0])
            before = newest.get(head.scope)
            if case is not None and head.case != case:
                raise RefusedError(f"case {head.case}")
            if before is not None and (head.previous != before.digest or head.seq < before.seq):
                report.altered("head_chain", line=number)
                return None
            if before is None and head.previous is not None:
                report.add(Status.MISSING if whole else Status.NOTE, "head_first")
            _in_use(report, name, keys, head.keyid, head.at)
            heads.append(head)
            newest[head.scope] = head
            case = head.case
    except RefusedError as error:
        report.altered("head_form", line=number, why=error)
        return None
    return heads


def _fits(report: Report, head: Head, events: Mapping[int, Event], *, whole: bool) -> bool:
    """Whether the event that a head names is there as signed; an extract may lack those of other scopes."""
    event = events.get(head.seq)
    if event is None:
        scopes = {one.scope for one in events.values()}
        if whole or head.scope in scopes:
            report.altered("ledger_short", last=max(events, default=0), seq=head.seq)
            return False
        return True
    count = event.seq if head.scope is None else event.own_seq
    if event.hash != head.hash or count != head.count or head.scope not in (None, event.scope):
        report.altered("head_differs", line=head.line, seq=head.seq)
        return False
    return True


@dataclasses.dataclass(frozen=True)
class Ledger:
    """A ledger that holds."""

    heads: list[Head]
    events: dict[int, Event]
    """By their number in the case."""

    @property
    def newest(self) -> dict[Scope, Head]:
        """The newest head of each scope."""
        return {head.scope: head for head in self.heads}


def _check_ledger(
    report: Report, parts: Mapping[str, bytes], keys: Keys, case: str | None, *, whole: bool
) -> Ledger | None:
    """The ledger against its signed heads.

    Args:
        whole: a case's whole ledger (an export); else the chains of one recording and of its job (a bundle).

    Returns:
        None when something doesn't hold or is missing.
    """
    absent = {"ledger_none": "ledger.jsonl" not in parts, "heads_none": not parts.get("heads.jsonl")}
    for code in (code for code, is_so in absent.items() if is_so):
        report.missing(code)
        return None
    heads = _check_heads(report, parts["heads.jsonl"], keys, case, whole=whole)
    events = _check_events(report, parts["ledger.jsonl"], heads[-1].case, whole=whole) if heads else None
    if heads is None or events is None:
        return None
    by_seq = {event.seq: event for event in events}
    if len(by_seq) < len(events):
        report.altered("ledger_gap", seq=events[-1].seq, wanted=events[-1].seq + 1)
        return None
    fitting = [_fits(report, head, by_seq, whole=whole) for head in heads]  # all of them are told
    if not all(fitting):
        return None
    ledger = Ledger(heads, by_seq)
    ends: dict[Scope, Event] = {None: events[-1]} if whole and events else {event.scope: event for event in events}
    first, last = (events[0].seq, max(by_seq)) if events else (0, 0)
    report.ok("ledger_ok" if whole else "extract_ok", count=len(events), first=first, last=last)
    for scope, event in ends.items():
        head = ledger.newest.get(scope)
        if head is None or head.seq < event.seq:
            report.unverifiable("ledger_unsigned", first=head.seq + 1 if head else first, last=event.seq)
    latest = max(heads, key=lambda head: (head.at, head.seq))
    report.ok("heads_ok", count=len(heads), seq=latest.seq, at=latest.at.isoformat())
    return ledger


def _check_against(report: Report, ledger: Ledger, earlier: Path, keys: Keys) -> None:
    """Compare a ledger with one of the same case that was received at another time: the laboratory must not have told
    two stories, and this one must not be an older state."""
    scratch = Report()
    parts = _parts_of(scratch, earlier) or {}
    _take_enclosed_keys(scratch, keys, parts)
    case = ledger.heads[-1].case
    heads = _check_heads(scratch, parts.get("heads.jsonl", b""), keys, case, whole=False) if parts else None
    if not heads:
        report.unverifiable("against_bad", path=earlier)
        return
    known = {(head.scope, head.seq): head.hash for head in ledger.heads}
    compared = 0
    for head in heads:
        event = ledger.events.get(head.seq)
        here = event.hash if event else known.get((head.scope, head.seq))
        if here is not None and here != head.hash:
            report.altered("against_differs", seq=head.seq, path=earlier)
            return
        newest = ledger.newest.get(head.scope)
        if newest is not None and newest.seq < head.seq:
            report.altered("against_short", seq=head.seq, last=newest.seq, path=earlier)
            return
        compared += here is not None
    report.add(Status.OK if compared else Status.NOTE, "against_ok", count=compared, path=earlier)


# --------------------------------------------------------------------------------------------------------------------
# DER, certificates, CMS: just enough for PDF signatures and time-stamps, and strict
# --------------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Der:
    """One DER element."""

    tag: int
    body: bytes
    raw: bytes

    def children(self, *tags: int | None) -> list[Der]:
        """What a constructed element holds.

        Args:
            tags: when given, exactly these, in this order; None stands for any.

        Raises:
            RefusedError: not DER, or others.
        """
        if not self.tag & 0x20:
            raise RefusedError("not constructed")
        found, at = [], 0
        while at < len(self.body):
            one = _der(self.body, at)
            found.append(one)
            at += len(one.raw)
        if tags and (len(found) != len(tags) or any(t not in (None, f.tag) for t, f in zip(tags, found, strict=True))):
            raise RefusedError("another structure than expected")
        return found

    def expect(self, tag: int) -> Der:
        """This element, when it has that tag.

        Raises:
            RefusedError: it hasn't.
        """
        if self.tag != tag:
            raise RefusedError("another structure than expected")
        return self

    def oid(self) -> str:
        """An object identifier in dots."""
        self.expect(0x06)
        numbers, value = [], 0
        for byte in self.body:
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                numbers.append(value)
                value = 0
        if not numbers or self.body[-1] & 0x80:
            raise RefusedError("no object identifier")
        first = min(numbers[0] // 40, 2)
        return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))

    def integer(self) -> int:
        """An INTEGER in its shortest form."""
        self.expect(0x02)
        if not self.body or (
            len(self.body) > 1 and self.body[0] in (0, 255) and self.body[0] >> 7 == self.body[1] >> 7
        ):
            raise RefusedError("no shortest integer")
        return int.from_bytes(self.body, "big", signed=True)


def _der(data: bytes, at: int = 0) -> Der:
    """The element at a place, with a definite length in its shortest form.

    Raises:
        RefusedError: there is none.
    """
    if at + 2 > len(data) or data[at] & 0x1F == 0x1F:
        raise RefusedError("cut off")
    length, start = data[at + 1], at + 2
    if length & 0x80:
        octets = data[start : start + (length & 0x7F)]
        if not 1 <= length & 0x7F <= 4 or len(octets) < length & 0x7F:
            raise RefusedError("no definite length")
        length, start = int.from_bytes(octets, "big"), start + len(octets)
        if length < 0x80 or octets[0] == 0:
            raise RefusedError("no shortest length")
    if start + length > len(data):
        raise RefusedError("cut off")
    return Der(data[at], data[start : start + length], data[at : start + length])


def _only(data: bytes) -> Der:
    found = _der(data)
    if len(found.raw) != len(data):
        raise RefusedError("bytes after the end")
    return found


SHA256 = "2.16.840.1.101.3.4.2.1"
"""Object identifier of SHA-256."""
_HASHES: dict[str, hashes.HashAlgorithm] = {
    SHA256: hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}
_RSA, _PSS, _ED25519 = "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10", "1.3.101.112"
_RSA_WITH = {f"1.2.840.113549.1.1.{11 + n}": oid for n, oid in enumerate(_HASHES)}
_ECDSA_WITH = {f"1.2.840.10045.4.3.{2 + n}": oid for n, oid in enumerate(_HASHES)}
_CONTENT_TYPE, _MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
_CERT_V1, _CERT_V2 = "1.2.840.113549.1.9.16.2.12", "1.2.840.113549.1.9.16.2.47"
_STAMP, _TST = "1.2.840.113549.1.9.16.2.14", "1.2.840.113549.1.9.16.1.4"
_DATA, _SIGNED = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.2"


def _algorithm(element: Der) -> str:
    """An AlgorithmIdentifier whose parameters are absent or NULL (or, for PSS, those of its hash)."""
    inner = element.expect(0x30).children()
    oid = inner[0].oid() if inner else ""
    if len(inner) > 2 or (len(inner) == 2 and oid != _PSS and inner[1].raw != b"\x05\x00"):
        raise RefusedError("unknown parameters")
    return oid


def _digest(oid: str, data: bytes) -> bytes:
    if oid not in _HASHES:
        raise RefusedError(f"unknown digest {oid}")
    return hashlib.new(_HASHES[oid].name, data).digest()


def _check_raw(certificate: x509.Certificate, algorithm: str, digest: str, signature: bytes, data: bytes) -> None:
    """Check a signature by a certificate's key.

    Raises:
        RefusedError: an algorithm that is not known, or that does not fit the key.
        InvalidSignature: it does not fit.
    """
    key = certificate.public_key()
    chosen = _RSA_WITH.get(algorithm) or _ECDSA_WITH.get(algorithm) or digest
    if chosen != digest or digest not in _HASHES:
        raise RefusedError("algorithms that contradict each other")
    hashing = _HASHES[digest]
    if isinstance(key, rsa.RSAPublicKey) and (algorithm == _RSA or algorithm in _RSA_WITH):
        key.verify(signature, data, padding.PKCS1v15(), hashing)
    elif isinstance(key, rsa.RSAPublicKey) and algorithm == _PSS:
        key.verify(signature, data, padding.PSS(padding.MGF1(hashing), hashing.digest_size), hashing)
    elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm in _ECDSA_WITH:
        key.verify(signature, data, ec.ECDSA(hashing))
    elif isinstance(key, ed25519.Ed25519PublicKey) and algorithm == _ED25519:
        key.verify(signature, data)
    else:
        raise RefusedError(f"unknown signature algorithm {algorithm}")


@dataclasses.dataclass(frozen=True)
class Signed:
    """A CMS signature that holds."""

    chain: tuple[x509.Certificate, ...]
    """The signer's certificate first; each signed by the next."""
    content: bytes
    signature: bytes
    stamp: Stamp | None = None


@dataclasses.dataclass(frozen=True)
class Stamp:
    """A time-stamp whose signature holds."""

    at: datetime
    policy: str
    nonce: int | None
    chain: tuple[x509.Certificate, ...]
    digest: str
    imprint: bytes


def _attributes(element: Der) -> dict[str, Der]:
    found: dict[str, Der] = {}
    for one in element.children():
        name, values = one.expect(0x30).children(0x06, 0x31)
        if name.oid() in found:
            raise RefusedError("an attribute stands twice")
        (found[name.oid()],) = values.children(None)
    return found


def _load(raw: bytes) -> x509.Certificate:
    try:
        if _only(raw).children(0x30, 0x30, 0x03)[2].body[:1] != b"\0":
            raise RefusedError("a signature with unused bits")  # which some readers pass over
        certificate = x509.load_der_x509_certificate(raw)
        certificate.public_key()
    except PARSING as error:
        raise RefusedError("an unreadable certificate") from error
    return certificate


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _chain(signer: x509.Certificate, others: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """The way up from the signer; every enclosed certificate must lie on it and be signed by the next.

    Raises:
        RefusedError: one does not belong there, so that no signature covers its bytes.
    """
    chain, left = [signer], list(others)
    while chain[-1].issuer != chain[-1].subject:
        above = next((one for one in left if _is_authority(one) and _issued(chain[-1], one)), None)
        if above is None:
            break
        left.remove(above)
        chain.append(above)
    if left or (chain[-1].issuer == chain[-1].subject and not _issued(chain[-1], chain[-1])):
        raise RefusedError("a certificate that does not belong to the signer's")
    return tuple(chain)


def _names_signer(attributes: Mapping[str, Der], certificate: bytes) -> bool:
    """Whether the signed attributes name exactly this certificate (ESS signing-certificate, RFC 5035)."""
    if _CERT_V2 in attributes:
        first = attributes[_CERT_V2].expect(0x30).children()[0].expect(0x30).children()[0].expect(0x30).children()
        if first[0].tag == 0x30:  # another digest than SHA-256
            return first[1].expect(0x04).body == _digest(_algorithm(first[0]), certificate)
        return first[0].expect(0x04).body == hashlib.sha256(certificate).digest()
    if _CERT_V1 in attributes:
        first = attributes[_CERT_V1].expect(0x30).children()[0].expect(0x30).children()[0].expect(0x30).children()
        # SHA-1 is what this attribute of 1999 is defined with; it only singles out one of the enclosed certificates
        return first[0].expect(0x04).body == hashlib.sha1(certificate, usedforsecurity=False).digest()
    return False


def _cms(der: bytes, kind: str, detached: bytes | None) -> Signed:
    """Verify a CMS SignedData with exactly one signer.

    Args:
        der: the ContentInfo, without a byte more.
        kind: the object identifier of its content.
        detached: what was signed, when the CMS doesn't hold it.

    Raises:
        RefusedError: it is not one, or does not hold.
        InvalidSignature: the signature does not fit.
    """
    outer, explicit = _only(der).expect(0x30).children(0x06, 0xA0)
    if outer.oid() != _SIGNED:
        raise RefusedError("no signed data")
    version, digests, inner, *more = explicit.children(0x30)[0].children()
    if len(more) != 2 or more[0].tag != 0xA0 or more[1].tag != 0x31:
        raise RefusedError("no certificate, or more than expected")
    (info,) = more[1].children(0x30)
    number, sid, digest_element, signed, algorithm, signature, *unsigned = info.children()
    digest = _algorithm(digest_element)
    content_kind, *content = inner.expect(0x30).children()
    if (
        content_kind.oid() != kind
        or version.integer() != (1 if kind == _DATA else 3)
        or number.integer() != 1
        or [_algorithm(one) for one in digests.expect(0x31).children()] != [digest]
        or bool(content) == (detached is not None)
        or len(unsigned) > 1
    ):
        raise RefusedError("another structure than expected")
    data = detached
    if data is None:
        data = content[0].expect(0xA0).children(0x04)[0].body
    attributes = _attributes(signed.expect(0xA0))
    if attributes[_CONTENT_TYPE].oid() != kind:
        raise RefusedError("signed as something else")
    if attributes[_MESSAGE_DIGEST].expect(0x04).body != _digest(digest, data):
        raise InvalidSignature
    raws = [one.expect(0x30).raw for one in more[0].children()]
    wanted = [raw for raw in raws if _matches(sid, raw)]
    if len(wanted) != 1 or not _names_signer(attributes, wanted[0]):
        raise RefusedError("the signer's certificate is not the one that was signed for")
    signer = _load(wanted[0])
    _check_raw(signer, _algorithm(algorithm), digest, signature.expect(0x04).body, b"\x31" + signed.raw[1:])
    chain = _chain(signer, [_load(raw) for raw in raws if raw != wanted[0]])
    stamp = None
    if unsigned:
        extra = _attributes(unsigned[0].expect(0xA1))
        if set(extra) != {_STAMP}:
            raise RefusedError("unsigned attributes")
        stamp = _stamp(extra[_STAMP].raw)
        if stamp.imprint != _digest(stamp.digest, signature.body):
            raise RefusedError("a time-stamp of another signature")
    return Signed(chain, data, signature.body, stamp)


def _matches(sid: Der, certificate: bytes) -> bool:
    issuer, serial = sid.expect(0x30).children(0x30, 0x02)
    inner = _only(certificate).children(0x30, 0x30, 0x03)[0].children()
    inner = inner[1:] if inner[0].tag == 0xA0 else inner
    return inner[0].raw == serial.raw and inner[2].raw == issuer.raw


def _stamp(token: bytes) -> Stamp:
    """Verify a time-stamp token (RFC 3161 §2.4.2).

    Raises:
        RefusedError, InvalidSignature: it does not hold.
    """
    signed = _cms(token, _TST, None)
    version, policy, imprint, _serial, at, *more = _only(signed.content).expect(0x30).children()
    algorithm, value = imprint.expect(0x30).children(0x30, 0x04)
    usage = signed.chain[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    wanted = [x509.oid.ExtendedKeyUsageOID.TIME_STAMPING]
    if version.integer() != 1 or not usage.critical or list(usage.value) != wanted:
        raise RefusedError("no certificate for time-stamps")
    text = at.expect(0x18).body.decode("ascii")
    form = "%Y%m%d%H%M%S.%fZ" if "." in text else "%Y%m%d%H%M%SZ"
    moment = datetime.strptime(text, form).replace(tzinfo=UTC)
    nonce = next((one.integer() for one in more if one.tag == 0x02), None)
    for certificate in signed.chain:
        if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
            raise RefusedError("a certificate out of its time")
    return Stamp(moment, policy.oid(), nonce, signed.chain, _algorithm(algorithm), value.body)


# --------------------------------------------------------------------------------------------------------------------
# Certificates that a person trusts; PDF signatures; time-stamps of a bundle
# --------------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Options:
    """What the person who verifies knows or wants."""

    trusted: frozenset[str] = frozenset()
    """Fingerprints: SHA-256 of a public key's SubjectPublicKeyInfo, or of a certificate."""
    keys: tuple[bytes, ...] = ()
    """PEM public keys of the laboratory; they are trusted."""
    roots: tuple[x509.Certificate, ...] = ()
    """Certificates that are trusted, for PDF signatures and time-stamps."""
    recording: Path | None = None
    """A copy of the recording to compare."""
    against: Path | None = None
    """A bundle, export or heads.jsonl of the same case that was received at another time."""


def _key_fingerprint(certificate: x509.Certificate) -> str:
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return _sha256(certificate.public_key().public_bytes(serialization.Encoding.DER, spki))


def _fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


def _trusts(options: Options, chain: Sequence[x509.Certificate]) -> bool:
    if any({_key_fingerprint(one), _fingerprint(one)} & options.trusted for one in chain):
        return True
    return any(one == root or _issued(one, root) for one in chain for root in options.roots)


def _say_certificate(
    report: Report, name: str, chain: Sequence[x509.Certificate], options: Options, *, alone: bool
) -> None:
    subject = chain[0].subject.rfc4514_string()
    top = chain[-1]
    # The signer's own certificate is pinned by its digest in the signature; one above it by the next one's signature,
    # which the topmost needs as well: its own, or that of a root that was given.
    closed = len(chain) == 1 or _issued(top, top) or any(top == root or _issued(top, root) for root in options.roots)
    if not closed:
        report.add(Status.UNVERIFIABLE if alone else Status.NOTE, "certificate_open", name=name,
                   subject=top.subject.rfc4514_string(), issuer=top.issuer.rfc4514_string())  # fmt: skip
    if _trusts(options, chain):
        report.ok("certificate_trusted", subject=subject)
    elif options.roots:
        report.unverifiable("certificate_untrusted", name=name, subject=subject)
    else:
        report.note(
            "certificate", subject=subject, keyid=_key_fingerprint(chain[0]), root=_fingerprint(chain[-1])
        )  # fmt: skip
    if "DEMO" in subject:
        report.note("certificate_demo", subject=subject, name=name)


_BYTE_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d{1,12})\s+(\d{1,12})\s+(\d{1,12})\s+(\d{1,12})\s*\]")
_CLAIMED = re.compile(rb"/M\s*\(D(?::|\\072)(\d{14})(?:Z|([+-])(\d\d)'(\d\d)'?)?")


def _claimed_time(signed: bytes) -> datetime | None:
    """The time that the last signature dictionary claims (``/M``)."""
    found = _CLAIMED.findall(signed)
    if not found:
        return None
    try:
        moment = datetime.strptime(found[-1][0].decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    shift = int(found[-1][2] or 0) * 3600 + int(found[-1][3] or 0) * 60
    return datetime.fromtimestamp(moment.timestamp() - (shift if found[-1][1] == b"+" else -shift), UTC)


def _pdf_signature(data: bytes, bounds: tuple[int, int, int, int]) -> tuple[Signed, bytes]:
    """Verify one signature of a PDF and return it with the bytes that it covers.

    Raises:
        RefusedError, InvalidSignature: it does not hold.
    """
    start, first, second, last = bounds
    if start != 0 or not 0 < first < second <= second + last <= len(data):
        raise RefusedError("a byte range that is none")
    gap = data[first:second]
    # one case only: else a digit could be written in another way
    form = rb"<(?:[0-9A-F]+|[0-9a-f]+)>"
    if not re.search(rb"/Contents\s*\Z", data[max(first - 20, 0) : first]) or not re.fullmatch(form, gap):
        raise RefusedError("more than the signature lies outside the byte range")
    if len(gap) % 2:
        raise RefusedError("an odd number of digits")
    container = bytes.fromhex(gap[1:-1].decode("ascii"))
    message = _der(container)
    if container[len(message.raw) :].strip(b"\0"):
        raise RefusedError("bytes after the signature")
    covered = data[:first] + data[second : second + last]
    return _cms(message.raw, _DATA, covered), covered


def _check_pdf(report: Report, name: str, data: bytes, options: Options, *, alone: bool) -> None:
    """All signatures of a PDF. One without any can only be verified within its bundle."""
    ranges = [tuple(map(int, found)) for found in _BYTE_RANGE.findall(data)]
    if not ranges:
        if b"/ByteRange" in data or b"ETSI.CAdES.detached" in data or b"adbe.pkcs7" in data:
            report.altered("pdf_damaged", name=name, why="no byte range")
        elif alone:
            report.unverifiable("pdf_unsigned", name=name)
        else:
            report.note("pdf_unsigned", name=name)
        return
    found: list[Signed] = []
    for start, first, second, last in ranges[:16]:
        try:
            signed, covered = _pdf_signature(data, (start, first, second, last))
        except InvalidSignature:
            report.altered("pdf_bad", name=name, why="digest or signature")
            return
        except PARSING as error:
            report.altered("pdf_damaged", name=name, why=error)
            return
        found.append(signed)
    if max(second + last for _, _, second, last in ranges) != len(data) or len(ranges) > 16:
        report.altered("pdf_range", name=name)
        return
    _say_pdf(report, name, found[-1], _claimed_time(covered), options, alone=alone)
    if len({_fingerprint(signed.chain[0]) for signed in found}) > 1:
        report.unverifiable("pdf_several", name=name, count=len(found))


def _say_pdf(
    report: Report, name: str, signed: Signed, claimed: datetime | None, options: Options, *, alone: bool
) -> None:
    at = signed.stamp.at if signed.stamp else claimed
    told = at.isoformat() if at else "-"
    subject = signed.chain[0].subject.rfc4514_string()
    report.ok("pdf_ok", name=name, signer=subject, at=claimed.isoformat() if claimed else "-")
    for certificate in signed.chain:
        if at is not None and not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
            report.unverifiable(
                "certificate_period", name=name, subject=certificate.subject.rfc4514_string(), at=told
            )  # fmt: skip
    _say_certificate(report, name, signed.chain, options, alone=alone)
    if signed.stamp is not None:
        _say_stamp(report, name, signed.stamp, "the signature", options, alone=alone)


def _say_stamp(report: Report, name: str, stamp: Stamp, what: str, options: Options, *, alone: bool) -> None:
    authority = stamp.chain[0].subject.rfc4514_string()
    report.ok("stamp_ok", name=name, at=stamp.at.isoformat(), authority=authority, policy=stamp.policy, what=what)
    _say_certificate(report, name, stamp.chain, options, alone=alone)


PARSING = (
    RefusedError, ValueError, KeyError, IndexError, TypeError, RecursionError, UnsupportedAlgorithm,
    x509.ExtensionNotFound, x509.DuplicateExtension, x509.InvalidVersion, x509.UnsupportedGeneralNameType,
)  # fmt: skip
"""What reading a hostile DER structure can raise."""


def _token_of(response: bytes) -> bytes:
    """The token of a granted TimeStampResp."""
    status, token = _only(response).expect(0x30).children(0x30, 0x30)
    if status.children()[0].integer() not in {0, 1}:
        raise RefusedError("not granted")
    return token.raw


def read_time_stamp(response: bytes) -> Stamp:
    """The time-stamp in a DER TimeStampResp, its signature and certificates checked; what it is of, is not.

    Raises:
        RefusedError, InvalidSignature, or one of ``PARSING``: it does not hold.
    """
    return _stamp(_token_of(response))


def check_pdf(name: str, data: bytes, options: Options | None = None) -> Report:
    """Verify the signatures of a PDF that is in memory."""
    report = Report()
    _check_pdf(report, name, data, options or Options(), alone=True)
    return report


def _check_stamps(report: Report, parts: Mapping[str, bytes], options: Options) -> None:
    """Every ``timestamps/*.tsr``: valid, and of something that is here (a file, or a line of heads.jsonl)."""
    names = sorted(name for name in parts if name.startswith("timestamps/") and name.endswith(".tsr"))
    if not names:
        report.note("stamp_none")
        return
    things = {name: data for name, data in parts.items() if name not in names}
    things |= {f"heads.jsonl:{n}": line for n, line in enumerate(parts.get("heads.jsonl", b"").split(b"\n"), 1) if line}
    for name in names:
        try:
            stamp = read_time_stamp(parts[name])
            what = next((one for one, data in things.items() if _digest(stamp.digest, data) == stamp.imprint), None)
        except InvalidSignature:
            report.altered("stamp_bad", name=name, why="signature")
            continue
        except PARSING as error:
            report.altered("stamp_bad", name=name, why=error)
            continue
        if what is None:
            report.unverifiable("stamp_other", name=name)
            continue
        _say_stamp(report, name, stamp, what, options, alone=False)


# --------------------------------------------------------------------------------------------------------------------
# The bundle, the export, the command
# --------------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Entry:
    """One file of the signed list."""

    path: str
    sha256: str
    size: int
    role: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The signed list of files."""

    case: str
    file_id: str | None
    """None: no recording's bundle but the export of a case's whole ledger."""
    made_at: datetime
    recording_sha256: str | None
    files: tuple[Entry, ...]
    seq: int
    hash: str
    demo: bool


def _manifest(payload: bytes) -> Manifest:
    found = _json(payload)
    if not isinstance(found, dict) or found.get("schema") not in {"voiceman.bundle/1", "voiceman.export/1"}:
        raise RefusedError("another schema")
    of_recording = found["schema"] == "voiceman.bundle/1"
    files = tuple(
        Entry(str(one["path"]), _hex64(one["sha256"]), _whole(one["size"]), str(one["role"])) for one in found["files"]
    )
    paths = [one.path for one in files]
    if len(set(paths)) < len(paths) or len(paths) > MAX_FILES or any(unsafe_name(path) for path in paths):
        raise RefusedError("paths that are unsafe or named twice")
    return Manifest(
        str(found["case"]),
        str(found["file_id"]) if of_recording else None,
        _instant(found["made_at"]),
        _hex64(found["recording"]["sha256"]) if of_recording else None,
        files,
        _whole(found["ledger"]["seq"]),
        _hex64(found["ledger"]["hash"]),
        found["demo_key"] is not False,
    )


def _signed_manifest(report: Report, parts: Mapping[str, bytes], keys: Keys) -> tuple[str, Manifest] | None:
    if "manifest.dsse.json" not in parts:
        report.missing("signature_missing")
        return None
    opened = _opened(report, "manifest.dsse.json", parts["manifest.dsse.json"], BUNDLE_TYPE, keys)
    if opened is None:
        return None
    keyid, payload = opened
    if "manifest.json" not in parts:
        report.missing("file_missing", name="manifest.json")
    elif parts["manifest.json"] != payload:
        report.altered("manifest_differs")
    try:
        return keyid, _manifest(payload)
    except PARSING as error:
        report.altered("manifest_form", why=error)
        return None


def _check_files(report: Report, manifest: Manifest, parts: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files that are as listed; the rest is told and not looked into."""
    good: dict[str, bytes] = {}
    for entry in manifest.files:
        data = parts.get(entry.path)
        if data is None:
            report.missing("file_missing", name=entry.path)
        elif len(data) != entry.size or _sha256(data) != entry.sha256:
            report.altered("file_altered", name=entry.path, found=_sha256(data), signed=entry.sha256)
        else:
            good[entry.path] = data
    listed = {entry.path for entry in manifest.files} | {"manifest.json", "manifest.dsse.json"}
    for name in sorted(set(parts) - listed):
        report.altered("file_extra", name=name)
    if len(good) == len(manifest.files):
        report.ok("files_ok", count=len(good))
    return good


def _check_attestations(report: Report, parts: Mapping[str, bytes], keys: Keys) -> None:
    stages, outputs = [], set()
    for name in sorted(parts):
        if not name.startswith("attestations/"):
            continue
        opened = _opened(report, name, parts[name], STATEMENT_TYPE, keys)
        if opened is None:
            continue
        try:
            statement = _json(opened[1])
            if statement["_type"] != "https://in-toto.io/Statement/v1":
                raise RefusedError("another type")
            stages.append(str(statement["predicate"]["stage"]))
            outputs |= {_hex64(one["digest"]["sha256"]) for one in statement["subject"]}
        except PARSING as error:
            report.altered("attestation_form", name=name, why=error)
    if stages:
        report.ok("attestations_ok", count=len(stages), stages=", ".join(stages))
        made = sum(_sha256(data) in outputs for name, data in parts.items() if name.startswith("documents/"))
        report.note("outputs_named", count=made)


def _check_recording(report: Report, manifest: Manifest, options: Options) -> None:
    if manifest.recording_sha256 is None:
        return
    if options.recording is None:
        report.note("recording_hint", sha256=manifest.recording_sha256)
        return
    try:
        with options.recording.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        report.unverifiable("unreadable", path=options.recording, why=error.strerror)
        return
    name = options.recording.name
    if found == manifest.recording_sha256:
        report.ok("recording_ok", name=name, sha256=found)
    else:
        report.altered("recording_differs", name=name, found=found, signed=manifest.recording_sha256)


def _check_bundle(report: Report, parts: Mapping[str, bytes], keys: Keys, options: Options) -> None:
    _take_enclosed_keys(report, keys, parts)
    signed = _signed_manifest(report, parts, keys)
    if signed is None:
        return
    keyid, manifest = signed
    good = _check_files(report, manifest, parts)
    try:
        keys.facts = _read_key_facts(good["keys/keys.json"]) if "keys/keys.json" in good else None
    except PARSING as error:
        report.altered("envelope_form", name="keys/keys.json", why=error)
        return
    if keys.facts is not None and keyid not in keys.facts:
        report.altered("key_purpose", name="manifest.dsse.json", keyid=keyid)
    whole, made_at = manifest.file_id is None, manifest.made_at.isoformat()
    if whole:
        report.ok("export_ok", case=manifest.case, made_at=made_at)
    else:
        report.ok("manifest_ok", case=manifest.case, recording=manifest.file_id, made_at=made_at)
    demo = manifest.demo or (keys.facts is not None and keyid in keys.facts and keys.facts[keyid].demo)
    _say_key(report, keys, keyid, demo=demo)
    _in_use(report, "manifest.dsse.json", keys, keyid, manifest.made_at)
    ledger = _check_ledger(report, good, keys, manifest.case, whole=whole)
    if ledger is not None:
        if (manifest.seq, manifest.hash) not in {(head.seq, head.hash) for head in ledger.newest.values()}:
            report.altered("ledger_manifest")
        if options.against is not None:
            _check_against(report, ledger, options.against, keys)
    _check_attestations(report, good, keys)
    _check_stamps(report, good, options)
    for name in sorted(good):
        if name.endswith(".pdf"):
            _check_pdf(report, name, good[name], options, alone=False)
    _check_recording(report, manifest, options)


def _check_export(report: Report, parts: Mapping[str, bytes], keys: Keys, options: Options) -> None:
    """A case's whole ledger as loose files: its heads prove the chain, but nothing says how many heads there were."""
    _take_enclosed_keys(report, keys, parts)
    ledger = _check_ledger(report, parts, keys, None, whole=True)
    if ledger is None:
        return
    if options.against is not None:
        _check_against(report, ledger, options.against, keys)
    demo = {head.keyid for head in ledger.heads if head.demo}
    if "keys/keys.json" in parts:
        try:  # nobody signed this list; it can only warn
            demo |= {keyid for keyid, facts in _read_key_facts(parts["keys/keys.json"]).items() if facts.demo}
        except PARSING as error:
            report.altered("envelope_form", name="keys/keys.json", why=error)
    report.note("heads_loose")
    for keyid in dict.fromkeys(head.keyid for head in ledger.heads):
        _say_key(report, keys, keyid, demo=keyid in demo)


def _export_parts(path: Path) -> dict[str, bytes]:
    """A ledger file and what lies beside it."""
    beside = [path.with_name("heads.jsonl"), *sorted((path.parent / "keys").glob("*"))]
    parts = {"ledger.jsonl": path.read_bytes()}
    for one in beside:
        if one.is_file() and not one.is_symlink():
            parts[one.relative_to(path.parent).as_posix()] = one.read_bytes()
    return parts


def _parts_of(report: Report, path: Path) -> dict[str, bytes] | None:
    """The parts of a bundle or an export, or a file of heads alone."""
    if path.is_dir():
        return _read_folder(report, path)
    if path.suffix.lower() == ".jsonl":
        return {"heads.jsonl": path.read_bytes()} if path.name == "heads.jsonl" else _export_parts(path)
    if path.stat().st_size > MAX_FILE:
        return None
    return _read_zip(report, path.read_bytes())


def verify_path(path: Path, options: Options | None = None) -> Report:
    """Verify a bundle (zip or folder), a ledger export (folder or ``.jsonl``) or a signed PDF.

    Args:
        path: what to verify. Nothing is written, unpacked or fetched.
        options: what the caller trusts and wants to compare.
    """
    report = Report()
    options = options or Options()
    try:
        _verify(report, path, _given_keys(options), options)
    except FileNotFoundError:
        report.add(Status.NOT_A_BUNDLE, "not_there", path=path)
    except OSError as error:
        report.unverifiable("unreadable", path=error.filename or path, why=error.strerror)
    except UnicodeError:
        report.altered("name_refused", name=repr(path), why="no Unicode")
    return report


def verify_bytes(data: bytes, options: Options | None = None) -> Report:
    """Verify a bundle's zip file that is in memory."""
    report = Report()
    options = options or Options()
    parts = _read_zip(report, data)
    if parts is not None:
        _check_parts(report, Path("bundle.zip"), parts, _given_keys(options), options)
    return report


def _given_keys(options: Options) -> Keys:
    keys = Keys(options.trusted)
    for pem in options.keys:
        keyid = keys.load(pem)
        keys.trusted |= {keyid}
    return keys


def _verify(report: Report, path: Path, keys: Keys, options: Options) -> None:
    if path.is_dir():
        _verify_folder(report, path, keys, options)
        return
    if path.stat().st_size > MAX_FILE:
        report.unverifiable("too_large", path=path, limit=MAX_FILE)
        return
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        _check_export(report, _export_parts(path), keys, options)
        return
    data = path.read_bytes()
    if data.startswith(b"PK") or suffix == ".zip":
        parts = _read_zip(report, data)
        if parts is not None:
            _check_parts(report, path, parts, keys, options)
    elif data.startswith(b"%PDF-") or suffix == ".pdf":
        _check_pdf(report, path.name, data, options, alone=True)
    else:
        report.add(Status.NOT_A_BUNDLE, "not_known", path=path)


def _verify_folder(report: Report, path: Path, keys: Keys, options: Options) -> None:
    if not any((path / name).exists() for name in _OWN_NAMES):
        report.add(Status.NOT_A_BUNDLE, "not_known", path=path)  # before reading what may be somebody's home
        return
    parts = _read_folder(report, path)
    if parts is not None:
        _check_parts(report, path, parts, keys, options)


_OWN_NAMES = ("manifest.json", "manifest.dsse.json", "ledger.jsonl", "heads.jsonl", "verify.py", "VERIFY.md")


def _check_parts(report: Report, path: Path, parts: Mapping[str, bytes], keys: Keys, options: Options) -> None:
    if parts.keys() & {"manifest.json", "manifest.dsse.json"}:
        _check_bundle(report, parts, keys, options)
    elif "ledger.jsonl" in parts:
        _check_export(report, parts, keys, options)
    elif parts.keys() & set(_OWN_NAMES):
        report.missing("no_manifest")
    else:
        report.add(Status.NOT_A_BUNDLE, "not_known", path=path)


def _read_keys(path: Path) -> list[bytes]:
    """The PEM public keys of a file, or of all ``.pem`` files of a folder.

    Raises:
        RefusedError: there is none.
    """
    files = sorted(path.glob("*.pem")) if path.is_dir() else [path]
    found = [pem for file in files for pem in _pems(file.read_bytes())]
    if not found:
        raise RefusedError(f"{path} holds no PEM public key")
    own = Keys(frozenset())
    for pem in found:
        own.load(pem)
    return found


def _trust(value: str) -> str:
    text = value.lower().replace(":", "").removeprefix("sha256")
    if not _HEX64.fullmatch(text):
        raise argparse.ArgumentTypeError("a fingerprint is 64 hexadecimal digits")
    return text


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="verify",
        description="Verify a VoiceMan evidence bundle, ledger export or signed PDF. Works offline.",
        epilog="Exit codes: 0 intact, 1 altered, 2 parts missing, 3 can't be verified, 4 not a bundle.",
    )
    korean = (locale.getlocale()[0] or "").startswith(("ko", "Korean"))
    parser.add_argument("path", type=Path, help="bundle (zip or folder), ledger export (.jsonl or folder), or PDF")
    parser.add_argument(
        "--lang", choices=("ko", "en"), default="ko" if korean else "en", help="language of the verdict"
    )
    parser.add_argument("--trust", action="append", type=_trust, default=[], metavar="FINGERPRINT",
                        help="SHA-256 of the laboratory's key or certificate; may be given several times")  # fmt: skip
    parser.add_argument("--keys", type=Path, metavar="FILE", help="the laboratory's public keys (PEM file or folder)")
    parser.add_argument(
        "--roots", type=Path, metavar="FILE", help="trusted certificates (PEM), for PDFs and time-stamps"
    )
    parser.add_argument("--recording", type=Path, metavar="FILE", help="a copy of the recording to compare")
    parser.add_argument("--against", type=Path, metavar="PATH", help="a bundle or export of the case received earlier")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code. A wrong command ends with 64, which no verdict has."""
    try:
        arguments = _arguments(argv)
    except SystemExit as stop:
        return 64 if stop.code else 0
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        keys = _read_keys(arguments.keys) if arguments.keys else []
        roots = x509.load_pem_x509_certificates(arguments.roots.read_bytes()) if arguments.roots else []
    except (OSError, ValueError, RefusedError) as error:
        sys.stderr.write(f"verify: {shown(error)}\n")
        return 64
    options = Options(frozenset(arguments.trust), tuple(keys), tuple(roots), arguments.recording, arguments.against)
    report = verify_path(arguments.path, options)
    own = _sha256(Path(__file__).read_bytes())
    if arguments.json:
        made = report.as_dict(arguments.lang) | {"verifier_sha256": own}
        sys.stdout.write(json.dumps(made, ensure_ascii=False, indent=2) + "\n")
    else:
        sys.stdout.write(f"{shown(arguments.path)}\n{report.render(arguments.lang)}verify.py SHA-256 {own}\n")
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
