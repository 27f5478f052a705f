"""The verifier: what is intact, altered, missing and unverifiable, and that hostile files do no harm."""

import base64
import hashlib
import io
import json
import os
import re
import stat
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import rfc8785

from bench.sample_evidence import (
    HEAD,
    START,
    Ledger,
    MemorySigner,
    documents,
    sample_bundle,
    sample_export,
    sample_ledger,
    signed_export,
)
from include.errors import EvidenceError
from include.evidence import dsse, verifier
from include.evidence.bundle import BundleFacts, Part, make_bundle, make_export
from include.evidence.verifier import Options, Report, Status, packed_zip, unsafe_name, verify_bytes, verify_path

SIGNER = MemorySigner(b"the laboratory")
OTHER = MemorySigner(b"somebody else")
BUNDLE = sample_bundle(1, SIGNER)


def unpacked(data: bytes = BUNDLE) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts: dict[str, bytes]) -> bytes:
    return b"".join(packed_zip(parts.items()))


def laid_out(folder: Path, parts: dict[str, bytes]) -> Path:
    for name, data in parts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def codes(report: Report, status: Status | None = None) -> set[str]:
    return {line.code for line in report.lines if status in (None, line.status)}


def test_a_bundle_is_intact_and_says_that_its_key_came_along() -> None:
    report = verify_bytes(BUNDLE)
    assert (report.verdict, report.exit_code) == (Status.OK, 0)
    assert "key_enclosed" in codes(report, Status.NOTE)
    assert SIGNER.keyid in report.render("en")
    assert SIGNER.keyid in report.render("ko")


def test_the_same_parts_give_the_same_bytes_and_other_tools_read_them() -> None:
    assert sample_bundle(1, SIGNER) == BUNDLE
    assert packed(unpacked()) == BUNDLE
    with zipfile.ZipFile(io.BytesIO(BUNDLE)) as archive:
        assert archive.testzip() is None
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist() == sorted(archive.namelist())


def test_the_verifier_in_the_bundle_is_this_one() -> None:
    assert unpacked()["verify.py"] == Path(verifier.__file__).read_bytes()
    text = unpacked()["VERIFY.md"].decode()
    assert SIGNER.keyid in text
    assert hashlib.sha256(unpacked()["verify.py"]).hexdigest() in text
    assert "{" not in text


def test_a_pinned_key_is_trusted_and_another_is_not() -> None:
    good = verify_bytes(BUNDLE, Options(trusted=frozenset({SIGNER.keyid})))
    assert good.exit_code == 0
    assert "key_trusted" in codes(good)
    assert "key_enclosed" not in codes(good)
    assert verify_bytes(BUNDLE, Options(keys=(SIGNER.public_pem,))).exit_code == 0
    bad = verify_bytes(BUNDLE, Options(trusted=frozenset({OTHER.keyid})))
    assert bad.exit_code == 3
    assert codes(bad, Status.UNVERIFIABLE) == {"key_untrusted"}
    # nothing of an untrusted bundle's contents is looked at
    assert "files_ok" not in codes(bad)


def test_a_bundle_signed_anew_by_somebody_else_is_caught_by_the_pin_only() -> None:
    forged = sample_bundle(1, OTHER)
    assert verify_bytes(forged).exit_code == 0
    assert "key_enclosed" in codes(verify_bytes(forged))
    assert verify_bytes(forged, Options(trusted=frozenset({SIGNER.keyid}))).exit_code == 3


def test_demo_keys_are_said_loudly() -> None:
    report = verify_bytes(sample_bundle(1, MemorySigner(b"demo", demo=True)))
    assert report.exit_code == 0
    assert "DEMONSTRATION KEY" in report.render("en")
    assert "시연용 키" in report.render("ko")


EVERY_PART = sorted(unpacked())


@pytest.mark.parametrize("name", EVERY_PART)
def test_every_changed_file_is_found(name: str) -> None:
    parts = unpacked()
    data = bytearray(parts[name])
    data[len(data) // 2] ^= 1
    report = verify_bytes(packed(parts | {name: bytes(data)}))
    assert report.exit_code in ({1, 3} if name.startswith("keys/") and name.endswith(".pem") else {1})


@pytest.mark.parametrize("name", EVERY_PART)
def test_every_missing_file_is_missing_and_not_altered(name: str) -> None:
    parts = unpacked()
    del parts[name]
    report = verify_bytes(packed(parts))
    # without the key nothing can be verified; without the rest, that much is missing
    assert report.exit_code == (3 if re.fullmatch(r"keys/\w{64}\.pem", name) else 2)
    assert not codes(report, Status.ALTERED)


def test_an_added_file_is_found() -> None:
    report = verify_bytes(packed(unpacked() | {"documents/extra.txt": b"x"}))
    assert codes(report, Status.ALTERED) == {"file_extra"}


def test_the_unpacked_folder_is_as_good_as_the_zip(tmp_path: Path) -> None:
    folder = laid_out(tmp_path, unpacked())
    assert verify_path(folder).exit_code == 0
    (folder / "documents" / "x").write_bytes(b"")
    assert codes(verify_path(folder), Status.ALTERED) == {"file_extra"}


def test_a_zip_packed_by_another_tool_is_told_and_its_contents_are_still_checked() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in unpacked().items():
            archive.writestr(name, data)
    report = verify_bytes(buffer.getvalue())
    assert codes(report, Status.ALTERED) == {"zip_repacked"}
    assert "files_ok" in codes(report, Status.OK)


# ---- hostile files -------------------------------------------------------------------------------------------------


def zipped(name: str, data: bytes = b"x", *, mode: int = stat.S_IFREG | 0o644, **more: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name
        info.external_attr = mode << 16
        archive.writestr(info, data)
        for other, content in more.items():
            archive.writestr(other, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/passwd", "a/../b", "C:/x", "C:x", "a\\b", "a//b", "./a", "a\x07b", "a\u202eb", "a:b",
     "a ", "a.", " a", "x" * 401, "e\u0301", "con/../x"],
)  # fmt: skip
def test_unsafe_names_are_refused(name: str) -> None:
    assert unsafe_name(name)
    report = verify_bytes(zipped(name))
    assert report.exit_code == 1
    assert codes(report) == {"name_refused"}


@pytest.mark.parametrize("name", ["a", "documents/보고서.pdf", "a b/c-d_e.tar.gz", "통화 녹음 (1).json"])
def test_ordinary_names_are_not(name: str) -> None:
    assert unsafe_name(name) is None


def test_links_and_devices_in_a_zip_are_refused() -> None:
    for kind in (stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFDIR):
        assert codes(verify_bytes(zipped("a", b"/etc/passwd", mode=kind | 0o777))) == {"not_plain"}


def test_links_in_a_folder_are_refused(tmp_path: Path) -> None:
    folder = laid_out(tmp_path, unpacked())
    (folder / "documents" / "link").symlink_to("/etc/passwd")
    assert codes(verify_path(folder)) == {"not_plain"}


def test_names_that_some_system_takes_for_one_are_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("manifest.json", b"1")
        archive.writestr("MANIFEST.json", b"2")
    assert codes(verify_bytes(buffer.getvalue())) == {"name_refused"}
    buffer = io.BytesIO()
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("manifest.json", b"1")
        archive.writestr("manifest.json", b"2")
    assert codes(verify_bytes(buffer.getvalue())) == {"name_refused"}


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", bytes(300 << 20))
    data = buffer.getvalue()
    assert len(data) < 1 << 20
    began = time.process_time()
    assert codes(verify_bytes(data)) == {"bomb"}
    assert time.process_time() - began < 2  # CPU seconds; unpacking 300 MiB takes longer with its digest


def test_a_bomb_that_lies_about_its_size_ends_at_the_size_it_states() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", bytes(50 << 20))
    data = bytearray(buffer.getvalue())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 1000)  # the directory's uncompressed size
    report = verify_bytes(bytes(data))
    assert report.exit_code == 1
    assert codes(report) == {"zip_damaged"}


def test_too_many_files_are_refused() -> None:
    data = packed({f"f{n}": b"" for n in range(verifier.MAX_FILES + 1)})
    assert codes(verify_bytes(data)) == {"too_many"}


@pytest.mark.parametrize("comment", [b"", b"PK\x05\x06" + bytes(18), b"x" * 0xFFFF])
def test_a_directory_of_millions_is_not_even_read(monkeypatch: pytest.MonkeyPatch, comment: bytes) -> None:
    directory = (b"PK\x01\x02" + bytes(42)) * 60_000
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 60_000, 60_000, len(directory), 0, len(comment)) + comment
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert codes(verify_bytes(directory + end)) == {"too_many"}
    zip64 = b"PK\x06\x07" + bytes(16) + end.replace(struct.pack("<I", len(directory)), b"\xff\xff\xff\xff")
    assert codes(verify_bytes(b"x" * 100 + zip64)) == {"too_many"}


def test_encrypted_entries_are_refused() -> None:
    data = bytearray(zipped("manifest.json"))
    data[6] |= 1
    at = data.rindex(b"PK\x01\x02")
    data[at + 8] |= 1
    assert codes(verify_bytes(bytes(data))) == {"not_plain"}


@pytest.mark.parametrize("depth", [200_000])
def test_deep_json_is_refused(depth: int) -> None:
    parts = unpacked() | {"manifest.dsse.json": b"[" * depth + b"]" * depth}
    assert codes(verify_bytes(packed(parts)), Status.ALTERED) == {"envelope_form"}


def test_what_comes_from_outside_can_not_write_on_the_terminal() -> None:
    report = verify_bytes(packed({"documents/x\u009b31m": b""} | unpacked()))
    assert "\u009b" not in report.render("en")
    assert verifier.shown("a\x1b[2J\u202eb\n") == "a\\u{1b}[2J\\u{202e}b\\u{a}"


@pytest.mark.parametrize("content", [b"", b"PK", b"%PDF-1.7", b"\0" * 100, b"hello"])
def test_other_files_are_no_bundles_or_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    assert verify_path(path).exit_code in {1, 3, 4}
    assert verify_path(tmp_path / "none").exit_code == 4
    assert verify_path(tmp_path).exit_code == 4


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    laid_out(tmp_path, unpacked())
    os.mkfifo(tmp_path / "documents" / "pipe")
    assert codes(verify_path(tmp_path)) == {"not_plain"}


# ---- signatures and forms ------------------------------------------------------------------------------------------


def resigned(
    parts: dict[str, bytes], change: Callable[[dict[str, object]], None], signer: MemorySigner = SIGNER
) -> bytes:
    """The bundle with a changed list of files, signed properly: what only the laboratory itself could do."""
    manifest = json.loads(parts["manifest.json"])
    change(manifest)
    data = rfc8785.dumps(manifest)
    envelope = dsse.sign(data, verifier.BUNDLE_TYPE, signer).to_json()
    return packed(parts | {"manifest.json": data, "manifest.dsse.json": envelope})


@pytest.mark.parametrize(
    "spelling",
    [
        lambda data: data.replace(b'","', b'", "', 1),
        lambda data: data + b"\n",
        lambda data: json.dumps(json.loads(data), indent=1).encode(),
        lambda data: data.replace(b'{"payload"', b'{"extra":1,"payload"'),
        lambda data: data.replace(b'"payloadType"', b'"payloadType":"x","payloadType"'),
        lambda data: data.replace(b"voiceman.bundle", b"voiceman.\\u0062undle"),
    ],
)
def test_an_envelope_has_one_spelling(spelling: Callable[[bytes], bytes]) -> None:
    parts = unpacked()
    changed = spelling(parts["manifest.dsse.json"])
    assert changed != parts["manifest.dsse.json"]
    report = verify_bytes(packed(parts | {"manifest.dsse.json": changed}))
    assert codes(report, Status.ALTERED) == {"envelope_form"}


def test_spare_bits_of_base64_are_not_spare() -> None:
    parts = unpacked()
    envelope = json.loads(parts["manifest.dsse.json"])
    sig = envelope["signatures"][0]["sig"]  # 64 bytes: two '=' and four spare bits
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    spare = sig[:-3] + alphabet[alphabet.index(sig[-3]) | 1] + sig[-2:]
    assert base64.b64decode(spare) == base64.b64decode(sig)
    assert spare != sig
    envelope["signatures"][0]["sig"] = spare
    changed = json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode()
    report = verify_bytes(packed(parts | {"manifest.dsse.json": changed}))
    assert codes(report, Status.ALTERED) == {"envelope_form"}


def test_a_head_does_not_pass_for_a_list_of_files() -> None:
    parts = unpacked()
    other = dsse.sign(parts["manifest.json"], HEAD, SIGNER).to_json()
    swapped = other.replace(HEAD.encode(), verifier.BUNDLE_TYPE.encode())
    for envelope in (other, swapped):
        report = verify_bytes(packed(parts | {"manifest.dsse.json": envelope}))
        assert codes(report, Status.ALTERED) & {"envelope_form", "signature_bad"}


def test_a_key_under_another_ones_name_is_found() -> None:
    parts = unpacked() | {f"keys/{SIGNER.keyid}.pem": OTHER.public_pem}
    report = verify_bytes(packed(parts))
    assert "key_false" in codes(report, Status.ALTERED)


def test_a_key_out_of_its_time_or_off_the_list_is_found() -> None:
    late = SIGNER.public(until=START - timedelta(hours=1))
    with pytest.raises(EvidenceError, match="not in use then"):
        sample_bundle(1, SIGNER, keys=(late,))
    with pytest.raises(EvidenceError, match="which is not at hand"):
        sample_bundle(1, SIGNER, keys=(OTHER.public(),))


def test_after_rotation_old_heads_stay_valid() -> None:
    ledger = sample_ledger(SIGNER, recordings=2)
    changed_at = ledger.at + timedelta(seconds=10)
    ledger.signer, ledger.at = OTHER, changed_at + timedelta(seconds=10)
    ledger.append("job-1", "통화 1", "fetched")
    ledger.sign_head(("job-1", "통화 1"))
    keys = (SIGNER.public(until=changed_at), OTHER.public(since=changed_at))
    made = sample_bundle(1, OTHER, ledger=ledger, keys=keys)
    # whoever pins the new key trusts the old one by the signed list of keys
    assert verify_bytes(made, Options(trusted=frozenset({OTHER.keyid}))).exit_code == 0


def test_the_manifest_must_name_the_ledgers_end() -> None:
    def other_end(manifest: dict[str, object]) -> None:
        manifest["ledger"] = {"seq": 1, "hash": "0" * 64}

    assert codes(verify_bytes(resigned(unpacked(), other_end)), Status.ALTERED) == {"ledger_manifest"}


@pytest.mark.parametrize("path", ["../x", "a\\b", "keys/keys.json"])
def test_a_signed_list_with_unsafe_or_doubled_paths_is_refused(path: str) -> None:
    def add(manifest: dict[str, object]) -> None:
        files = manifest["files"]
        assert isinstance(files, list)
        files.append({"path": path, "sha256": "0" * 64, "size": 0, "role": "x"})

    assert codes(verify_bytes(resigned(unpacked(), add)), Status.ALTERED) == {"manifest_form"}


def test_a_bundle_that_its_verifier_refuses_is_not_handed_out() -> None:
    import random

    ledger = sample_ledger(SIGNER)
    facts = BundleFacts("another case", "job-1", "x", "x.m4a", "0" * 64, 1, ledger.at, 1, "0" * 64)
    parts = [Part("ledger.jsonl", ledger.lines(), "ledger"), Part("heads.jsonl", ledger.head_lines(), "heads")]
    more = {"attestations": {}, "keys": [SIGNER.public()], "signer": SIGNER}
    with pytest.raises(EvidenceError, match="fails its own verification"):
        make_bundle(facts, documents(random.Random(1), {}), ledger=parts, **more)
    with pytest.raises(EvidenceError, match="the same path"):
        make_bundle(facts, [Part("a", b"", "x"), Part("a", b"", "x")], ledger=parts, **more)
    with pytest.raises(EvidenceError, match="is refused"):
        make_bundle(facts, [Part("../a", b"", "x")], ledger=parts, **more)


# ---- the ledger ----------------------------------------------------------------------------------------------------

EXPORT = sample_export(SIGNER)


def export_of(tmp_path: Path, **changed: bytes) -> Report:
    folder = laid_out(tmp_path, EXPORT | {name.replace("_", "."): data for name, data in changed.items()})
    return verify_path(folder)


def event_lines() -> list[bytes]:
    return EXPORT["ledger.jsonl"].splitlines(keepends=True)


def head_lines() -> list[bytes]:
    return EXPORT["heads.jsonl"].splitlines(keepends=True)


def test_an_export_is_intact_as_folder_and_as_file(tmp_path: Path) -> None:
    assert export_of(tmp_path).exit_code == 0
    assert verify_path(tmp_path / "ledger.jsonl").exit_code == 0
    assert verify_path(tmp_path, Options(keys=(SIGNER.public_pem,))).exit_code == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda lines: lines[:3] + lines[4:], "ledger_gap"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "ledger_gap"),
        (lambda lines: [*lines[:5], lines[4], *lines[5:]], "ledger_gap"),
        (lambda lines: lines[:-1], "ledger_short"),
        (lambda lines: lines[:2], "ledger_short"),
        (lambda lines: [lines[0].replace(b"ledger began", b"ledger begun"), *lines[1:]], "ledger_hash"),
        (lambda lines: [lines[0].replace(b'{"body"', b'{ "body"'), *lines[1:]], "ledger_form"),
        (lambda lines: [*lines[:-1], lines[-1].rstrip(b"\n")], "ledger_form"),
        (lambda lines: [*lines, b"\n"], "ledger_form"),
    ],
)
def test_what_was_done_to_a_ledger_is_named(
    tmp_path: Path, change: Callable[[list[bytes]], list[bytes]], code: str
) -> None:
    report = export_of(tmp_path, ledger_jsonl=b"".join(change(event_lines())))
    assert report.exit_code == 1
    assert code in codes(report, Status.ALTERED)


def rewritten(change: Callable[[Ledger], None]) -> bytes:
    """The ledger written anew from the start, every hash right: what a superuser of the database can do."""
    ledger = sample_ledger(MemorySigner(b"nobody"))
    fresh = Ledger(ledger.case, ledger.signer)
    for event in ledger.events:
        told = json.loads(str(event["body"]))
        fresh.append(told["job"], told["recording"], told["action"], **{
            key: value for key, value in told.items() if key in {"digests", "to_state"}})  # fmt: skip
    change(fresh)
    return fresh.lines()


def test_a_ledger_written_anew_with_right_hashes_fails_at_the_signed_heads(tmp_path: Path) -> None:
    def another_end(ledger: Ledger) -> None:
        ledger.events.pop()
        ledger.scopes.pop()
        ledger.append("job-1", None, "something else")

    assert rewritten(lambda _: None) == EXPORT["ledger.jsonl"]
    report = export_of(tmp_path, ledger_jsonl=rewritten(another_end))
    assert codes(report, Status.ALTERED) == {"head_differs"}


def test_events_after_the_last_head_are_not_called_verified(tmp_path: Path) -> None:
    def longer(ledger: Ledger) -> None:
        ledger.append("job-1", None, "one more")

    report = export_of(tmp_path, ledger_jsonl=rewritten(longer))
    assert report.exit_code == 3
    assert codes(report, Status.UNVERIFIABLE) == {"ledger_unsigned"}


@pytest.mark.parametrize(
    ("change", "exit_code"),
    [
        (lambda lines: lines[1:], 2),  # the first head is gone: its follower names it
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
        (lambda lines: [lines[0], lines[0], *lines[1:]], 1),
        (lambda lines: [lines[0].replace(b'"sig":"', b'"sig":"A'), *lines[1:]], 1),
        (lambda lines: lines[:1], 3),  # the newest heads are gone: events that no signature covers
        (lambda lines: [], 2),
    ],
)
def test_what_was_done_to_the_heads_is_found(
    tmp_path: Path, change: Callable[[list[bytes]], list[bytes]], exit_code: int
) -> None:
    assert export_of(tmp_path, heads_jsonl=b"".join(change(head_lines()))).exit_code == exit_code


def test_a_signed_export_names_its_heads_too() -> None:
    made = signed_export(sample_ledger(SIGNER))
    report = verify_bytes(made, Options(trusted=frozenset({SIGNER.keyid})))
    assert report.exit_code == 0
    assert {"export_ok", "ledger_ok"} <= codes(report, Status.OK)
    parts = unpacked(made)
    lines = parts["heads.jsonl"].splitlines(keepends=True)
    for changed in (lines[:-1], [lines[1], lines[0], *lines[2:]]):
        found = verify_bytes(packed(parts | {"heads.jsonl": b"".join(changed)}))
        assert "file_altered" in codes(found, Status.ALTERED)


def test_a_ledger_that_does_not_fit_its_heads_is_not_exported() -> None:
    ledger = sample_ledger(SIGNER)
    end = (len(ledger.events), str(ledger.events[-1]["hash"]))
    told = {"keys": [SIGNER.public()], "signer": SIGNER, "made_at": ledger.at}
    cut = b"".join(ledger.lines().splitlines(keepends=True)[:-1])
    with pytest.raises(EvidenceError, match="cut off"):
        make_export(ledger.case, cut, ledger.head_lines(), end=end, **told)
    with pytest.raises(EvidenceError, match="another end"):
        make_export(ledger.case, ledger.lines(), ledger.head_lines(), end=(1, "0" * 64), **told)


def test_an_extract_lacks_no_event_of_its_recording() -> None:
    ledger = sample_ledger(SIGNER)
    victim = next(n for n, scope in enumerate(ledger.scopes) if scope == ("job-1", "통화 1")) + 3
    del ledger.events[victim], ledger.scopes[victim]
    with pytest.raises(EvidenceError, match="does not follow the event before it"):
        sample_bundle(1, SIGNER, ledger=ledger)


def test_a_line_end_in_a_case_is_refused() -> None:
    ledger = Ledger("case\n1", SIGNER)
    ledger.append("job-1", None, "x")
    with pytest.raises(verifier.RefusedError):
        verifier._event(ledger.lines().rstrip(b"\n"))


# ---- the command ---------------------------------------------------------------------------------------------------


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", verifier.__file__, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_file_runs_alone_and_imports_nothing_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    path.write_bytes(BUNDLE)
    done = run(path, "--lang", "en", "--trust", SIGNER.keyid)
    assert done.returncode == 0, done.stderr
    assert "INTACT" in done.stdout
    assert hashlib.sha256(Path(verifier.__file__).read_bytes()).hexdigest() in done.stdout
    told = json.loads(run(path, "--json", "--lang", "ko").stdout)
    assert (told["verdict"], told["exit_code"]) == ("ok", 0)
    source = Path(verifier.__file__).read_text(encoding="utf-8")
    roots = set(re.findall(r"^(?:from|import) (\w+)", source, re.MULTILINE))
    assert roots - set(sys.stdlib_module_names) == {"cryptography"}


def test_voiceman_verify_is_the_same_file(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from include.cli import app

    path = tmp_path / "b.zip"
    path.write_bytes(BUNDLE)
    done = CliRunner().invoke(app, ["verify", str(path), "--lang", "ko", "--trust", SIGNER.keyid])
    assert done.exit_code == 0
    assert done.stdout == run(path, "--lang", "ko", "--trust", SIGNER.keyid).stdout
    assert CliRunner().invoke(app, ["verify", str(path), "--trust", OTHER.keyid]).exit_code == 3
    path.write_bytes(BUNDLE[:-1])
    assert CliRunner().invoke(app, ["verify", str(path)]).exit_code == 1
    assert CliRunner().invoke(app, ["verify", "--nonsense"]).exit_code == 64


def test_a_wrong_command_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    assert run().returncode == 64
    assert run(tmp_path, "--trust", "xyz").returncode == 64
    assert run(tmp_path, "--keys", tmp_path / "none").returncode == 64
    assert run("--help").returncode == 0


def test_the_recording_can_be_compared(tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(BUNDLE)
    (tmp_path / "copy.m4a").write_bytes("통화 1".encode())
    (tmp_path / "other.m4a").write_bytes(b"x")
    assert run(tmp_path / "b.zip", "--recording", tmp_path / "copy.m4a").returncode == 0
    assert run(tmp_path / "b.zip", "--recording", tmp_path / "other.m4a").returncode == 1


def test_every_sentence_exists_in_both_languages_with_the_same_values() -> None:
    for code, (english, korean) in verifier._TEXTS.items():
        assert set(re.findall(r"{(\w+)}", english)) == set(re.findall(r"{(\w+)}", korean)), code
        assert re.search("[가-힣]", korean), code
    words = re.findall(r'"([a-z_]+)"', Path(verifier.__file__).read_text(encoding="utf-8"))
    assert {code for code in verifier._TEXTS if words.count(code) < 2} == set(), "sentences that nothing says"


# ---- another copy of the same case ---------------------------------------------------------------------------------


def test_an_older_state_is_found_beside_a_newer_one(tmp_path: Path) -> None:
    full = laid_out(tmp_path / "full", EXPORT)
    older = laid_out(tmp_path / "older", EXPORT)
    events, heads = event_lines(), head_lines()
    seq = json.loads(dsse.parse(heads[0].rstrip(b"\n")).payload)["seq"]
    (older / "ledger.jsonl").write_bytes(b"".join(events[:seq]))
    (older / "heads.jsonl").write_bytes(heads[0])
    assert verify_path(older).exit_code == 0  # by itself it can't be told from the ledger of that day
    beside = verify_path(older, Options(against=full))
    assert codes(beside, Status.ALTERED) == {"against_short"}
    assert verify_path(full, Options(against=older)).exit_code == 0
    assert verify_path(full, Options(against=older / "heads.jsonl")).exit_code == 0


def test_two_stories_of_a_case_are_found(tmp_path: Path) -> None:
    other = sample_ledger(SIGNER, recordings=3)
    told = Ledger(other.case, SIGNER)
    told.append("job-1", None, "ledger began anew")
    told.sign_head()
    first = laid_out(tmp_path / "first", EXPORT)
    second = laid_out(tmp_path / "second", EXPORT | {"ledger.jsonl": told.lines(), "heads.jsonl": told.head_lines()})
    assert verify_path(second).exit_code == 0
    assert codes(verify_path(first, Options(against=second)), Status.ALTERED) == {"against_differs"}
    path = tmp_path / "b.zip"
    path.write_bytes(BUNDLE)
    assert verify_path(path, Options(against=tmp_path / "b.zip")).exit_code == 0
    (tmp_path / "x.zip").write_bytes(b"PK")
    assert codes(verify_path(path, Options(against=tmp_path / "x.zip")), Status.UNVERIFIABLE) == {"against_bad"}
