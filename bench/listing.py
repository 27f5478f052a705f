"""One look at ``incoming/`` of a store that answers with synthetic pages (``synthetic_s3.py``).

Each in a fresh process: seconds, CPU seconds, and the peak of its memory. Part of ``make bench-intake``.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from include.settings import ROOT

console = Console(width=160)


def look_once(port: int, plain: bool) -> None:
    """In a process of its own: look, and print what it took as JSON."""
    import boto3

    from include.pipeline.listing import look
    from include.storage import Store

    client = boto3.client(
        "s3", endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id="a", aws_secret_access_key="b",
        region_name="us-east-1",
    )  # fmt: skip
    store = Store(client, "bucket")
    if plain:  # boto3's own parser
        store.client.meta.events.unregister("before-parse.s3.ListObjectsV2", _hook())
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    drops = look(store, settle_s=30)
    after = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "jobs": len(drops),
                "s": time.perf_counter() - started,
                "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
                "peak_mib": after.ru_maxrss / 1024,
                "before_mib": before.ru_maxrss / 1024,
            }
        )
    )


def _hook() -> Any:
    from include.storage import listing

    return listing._take_objects_out


def listing() -> None:
    """Memory and time of one look, by the number of keys and jobs."""
    table = Table("keys", "jobs", "parser", "seconds", "CPU seconds", "ms CPU a page", "peak MiB", "of which imports")
    for keys, jobs, plain in (
        (10_000, 1, False), (1_000_000, 1, False), (1_000_000, 10_000, False), (100_000, 1, False), (100_000, 1, True)
    ):  # fmt: skip
        server = subprocess.Popen(
            [sys.executable, str(ROOT / "bench" / "synthetic_s3.py"), str(keys), str(jobs)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert server.stdin
        assert server.stdout
        port = server.stdout.readline().strip()
        command = [sys.executable, "-W", "ignore", __file__, "--port", port, *(["--plain"] if plain else [])]
        run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        server.stdin.close()
        server.wait()
        found = json.loads(run.stdout.splitlines()[-1])
        assert found["jobs"] == jobs
        table.add_row(
            f"{keys:,}", f"{jobs:,}", "boto3" if plain else "ours", f"{found['s']:.1f}", f"{found['cpu_s']:.1f}",
            f"{found['cpu_s'] / (keys / 1000) * 1000:.1f}", f"{found['peak_mib']:.0f}", f"{found['before_mib']:.0f}",
        )  # fmt: skip
    console.print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, help="look once at this port; for this program's own use")
    parser.add_argument("--plain", action="store_true", help="with boto3's own parser")
    args = parser.parse_args()
    if args.port:
        look_once(args.port, args.plain)
    else:
        listing()


if __name__ == "__main__":
    main()
