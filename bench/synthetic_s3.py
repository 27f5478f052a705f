"""An S3 listing that nobody had to upload: answers ListObjectsV2 with synthetic pages, nothing else.

Run as a program (``synthetic_s3.py KEYS JOBS``): prints its port, serves until its standard input closes.
The keys of a job lie together, as in the key order of S3.
"""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PAGE = 1000


def page(first: int, keys: int, jobs: int) -> bytes:
    """One page of the listing, as SeaweedFS and AWS write it."""
    last, per_job = min(first + PAGE, keys), max(1, keys // jobs)
    items = "".join(
        f"<Contents><Key>incoming/job-{min(n // per_job, jobs - 1):06d}/call-{n:07d}.m4a</Key>"
        f"<LastModified>2026-11-25T09:{n // 60 % 60:02d}:{n % 60:02d}.000Z</LastModified>"
        f"<ETag>&quot;{n:032x}&quot;</ETag><Size>{1000 + n}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for n in range(first, last)
    )
    more = f"<NextContinuationToken>{last}</NextContinuationToken>" if last < keys else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>b</Name><Prefix>incoming/</Prefix><KeyCount>{last - first}</KeyCount><MaxKeys>{PAGE}</MaxKeys>"
        f"<EncodingType>url</EncodingType><IsTruncated>{'true' if more else 'false'}</IsTruncated>{more}{items}"
        "</ListBucketResult>"
    ).encode()


def serve(keys: int, jobs: int) -> ThreadingHTTPServer:
    """A server on a free port of 127.0.0.1; the caller ends it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            token = parse_qs(urlsplit(self.path).query).get("continuation-token", ["0"])[0]
            body = page(int(token), keys, jobs)
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


if __name__ == "__main__":
    running = serve(int(sys.argv[1]), int(sys.argv[2]))
    print(running.server_port, flush=True)
    sys.stdin.read()
    running.shutdown()
