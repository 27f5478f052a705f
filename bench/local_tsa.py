"""A time-stamp authority on 127.0.0.1 for tests and benchmarks: OpenSSL's ``ts`` command behind a tiny HTTP server.

Its answers hold its own certificate and not the root's: OpenSSL 3.0 writes two certificates in the order in which it
was given them, and rfc3161-client 1.0 takes a SET only in DER's order ("InvalidSetOrdering")."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
CN = test
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[tsa]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[plain]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[ts]
default_tsa = answers
[answers]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.5.6
digests = sha256, sha384, sha512
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


def _openssl(*arguments: object) -> bytes:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.decode()}")
    return done.stdout


class LocalTsa:
    """The authority's files, and its answers."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.config = folder / "tsa.cnf"
        self.config.write_text(_CONFIG.format(folder=folder))
        (folder / "serial").write_text("01\n")
        self.root = folder / "root.pem"
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", self.config)
        _openssl("req", "-x509", *new, "-extensions", "root", "-subj", "/O=Test/CN=Test root", "-days", 30,
                 "-keyout", folder / "root.key", "-out", self.root)  # fmt: skip
        _openssl("req", *new, "-subj", "/O=Test/CN=Test time-stamps", "-keyout", folder / "tsa.key",
                 "-out", folder / "tsa.csr")  # fmt: skip
        self.certify("tsa")

    def certify(self, extensions: str) -> None:
        """Give the authority a certificate for time-stamps (``tsa``) or one without that purpose (``plain``)."""
        self.extensions = extensions
        _openssl("x509", "-req", "-in", self.folder / "tsa.csr", "-CA", self.root, "-CAkey", self.folder / "root.key",
                 "-CAcreateserial", "-days", 20, "-extfile", self.config, "-extensions", extensions,
                 "-out", self.folder / "tsa.pem")  # fmt: skip

    def answer(self, request: bytes) -> bytes:
        """The DER TimeStampResp to a DER TimeStampReq."""
        (self.folder / "request.tsq").write_bytes(request)
        return _openssl("ts", "-reply", "-config", self.config, "-section", "answers", "-queryfile",
                        self.folder / "request.tsq")  # fmt: skip

    def accepts(self, response: bytes, data: bytes) -> bool:
        """Whether ``openssl ts -verify`` accepts a response over these bytes."""
        (self.folder / "check.tsr").write_bytes(response)
        (self.folder / "check.bin").write_bytes(data)
        told = subprocess.run(
            ["openssl", "ts", "-verify", "-data", "check.bin", "-in", "check.tsr", "-CAfile", "root.pem"],
            check=False, cwd=self.folder, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        return told.returncode == 0 and "Verification: OK" in told.stdout

    @contextmanager
    def serving(self, answer: Callable[[bytes], tuple[int, bytes]] | None = None) -> Iterator[str]:
        """The authority at an address; with ``answer``, one that says something else (status, body)."""
        make = answer or (lambda request: (200, self.answer(request)))

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = self.rfile.read(int(self.headers["Content-Length"]))
                status, body = make(request)
                self.send_response(status)
                self.send_header("Content-Type", "application/timestamp-reply")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/tsr"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
