"""One job of small distinct recordings: dropped, followed, and judged when it has ended."""

from __future__ import annotations

import hashlib
import io
import json
import random
import subprocess
import wave
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from bench.faults import devices
from bench.faults.fake import KINDS, fake_transcript
from bench.faults.lab import Lab
from include.settings import ROOT

TERMINAL = ("COMPLETED", "FAILED")


def make_wav(seed: str, frames: int = 8000, rate: int = 8000) -> bytes:
    """A wav of noise: other bytes for another seed."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(random.Random(seed).randbytes(frames * 2))
    return buffer.getvalue()


def make_speech(number: int, lab: Lab) -> bytes:
    """About 8 s of a sample call, cut at a place of its own: for the real engine."""
    sample = ROOT / "samples" / f"{('booking', 'threat', 'extortion_stereo')[number % 3]}.m4a"
    target = lab.home / f"cut-{number}.wav"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-ss", f"{(number // 3) * 1.7:.1f}", "-t", "8", "-i", str(sample),
         "-ac", "1", "-ar", "16000", str(target)], check=True,
    )  # fmt: skip
    return target.read_bytes()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Verdict:
    """What became of a job. Every list names what is wrong; all empty: nothing is."""

    states: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    """Recordings that did not end, or whose artefacts or original are not what they should be."""
    doubled: list[str] = field(default_factory=list)
    """Recordings that ended twice, runs that nobody asked for, two processes on one device."""
    leftovers: list[str] = field(default_factory=list)
    """Objects that should be gone, processes that should have ended."""
    redone: int = 0
    """Recordings transcribed to the end more than once: wasted work, not a wrong result."""


class Job:
    """One drop."""

    def __init__(self, lab: Lab, job_id: str, files: dict[str, bytes]) -> None:
        self.lab = lab
        self.job_id = job_id
        self.files = files

    def drop(self, *, ready: bool = True) -> None:
        """Upload all recordings, then the marker that starts the job."""
        with ThreadPoolExecutor(8) as threads:
            list(
                threads.map(lambda item: self.lab.put(f"incoming/{self.job_id}/{item[0]}", item[1]), self.files.items())
            )
        if ready:
            self.lab.put(f"incoming/{self.job_id}/_READY", b"")

    # --- while it runs ---

    def runs(self) -> list[tuple[Any, ...]]:
        """(dag, run id, state) of every run for this job."""
        return (
            self.lab.airflow(
                "SELECT dag_id, run_id, state FROM dag_run WHERE dag_id IN ('process', 'reprocess') "
                "AND conf->>'job_id' = %s ORDER BY id",
                (self.job_id,),
            )
            or []
        )

    def ended(self) -> bool:
        """Whether there is a run, every run has ended, and the drop was taken."""
        runs = self.runs()
        return bool(runs) and all(state in ("success", "failed") for _, _, state in runs)

    def tasks(self) -> list[dict[str, Any]]:
        """The task instances of its runs."""
        rows = self.lab.airflow(
            "SELECT ti.task_id, ti.map_index, ti.state, ti.try_number, ti.pid, ti.run_id, "
            "extract(epoch FROM ti.start_date)::float8, extract(epoch FROM ti.end_date)::float8 "
            "FROM task_instance ti JOIN dag_run dr USING (dag_id, run_id) "
            "WHERE dr.dag_id IN ('process', 'reprocess') AND dr.conf->>'job_id' = %s",
            (self.job_id,),
        )
        names = ("task", "index", "state", "try", "pid", "run", "start", "end")
        return [dict(zip(names, row, strict=True)) for row in rows or []]

    def events(self) -> list[dict[str, Any]]:
        """Every change of a recording's state, oldest first."""
        rows = self.lab.voiceman(
            "SELECT file_id, from_state, to_state, extract(epoch FROM at)::float8, actor, try_number, run_id "
            "FROM voiceman.recording_event WHERE job_id = %s ORDER BY id",
            (self.job_id,),
        )
        names = ("file", "from", "to", "at", "actor", "try", "run")
        return [dict(zip(names, row, strict=True)) for row in rows or []]

    # --- when it has ended ---

    def judge(self, *, started_by_us: int = 1, first_use: int = 0, fake: bool = True) -> Verdict:
        """Check everything that the job should have left behind.

        Args:
            started_by_us: how many runs were asked for.
            first_use: how many device lines there were before this job.
            fake: compare the transcripts byte by byte with what the fake engine makes of the originals.
        """
        verdict = Verdict()
        rows = self.lab.voiceman(
            "SELECT file_id, name, sha256, state FROM voiceman.recording WHERE job_id = %s", (self.job_id,)
        )
        found = {row[1]: row for row in rows or []}
        ends = Counter(one["file"] for one in self.events() if one["to"] in TERMINAL and one["from"] != one["to"])
        for name, data in self.files.items():
            problem = self._problem(found.get(name), name, data, fake=fake)
            if problem:
                verdict.lost.append(f"{name}: {problem}")
            elif ends[found[name][0]] != 1:
                verdict.doubled.append(f"{name}: ended {ends[found[name][0]]} times")
        verdict.doubled += [f"{name}: nobody dropped it" for name in found if name not in self.files]
        verdict.states = dict(Counter(row[3] for row in found.values()))
        runs = self.runs()
        if len(runs) != started_by_us:
            verdict.doubled.append(f"{len(runs)} runs, {started_by_us} expected: {runs}")
        self._summary(verdict)
        lines = devices.uses(self.lab.devices)[first_use:]
        verdict.doubled += [f"two processes on {line['slot']}" for line in lines if line["what"] == "violation"]
        verdict.redone = devices.redone(lines)
        verdict.leftovers += [f"on {slot}: a living process" for slot in devices.busy(self.lab.devices)]
        verdict.leftovers += self.lab.keys(f"incoming/{self.job_id}/")
        manifest = f"processing/{self.job_id}/_manifest_"
        verdict.leftovers += [
            key for key in self.lab.keys(f"processing/{self.job_id}/") if not key.startswith(manifest)
        ]
        return verdict

    def _problem(self, row: tuple[Any, ...] | None, name: str, data: bytes, *, fake: bool) -> str | None:
        """What is wrong with one recording, or None."""
        sha = _sha256(data)
        if row is None:
            return "not in the database"
        file_id, _, digest, state = row
        if digest != sha:
            return "the database has another digest"
        if self.lab.digest(f"originals/{self.job_id}/{name}") != sha:
            return "the original under originals/ is not what was dropped"
        if state == "FAILED":
            if self.lab.digest(f"failed/{self.job_id}/{name}") != sha:
                return "the original under failed/ is not what was dropped"
            return None if self.lab.read(f"failed/{self.job_id}/{file_id}_error.json") else "no error file"
        if state != "COMPLETED":
            return f"left {state}"
        return self._artefacts_problem(file_id, data, fake=fake)

    def _artefacts_problem(self, file_id: str, data: bytes, *, fake: bool) -> str | None:
        made = {
            kind: (uri, digest)
            for kind, uri, digest in self.lab.voiceman(
                "SELECT kind, uri, sha256 FROM voiceman.artefact WHERE job_id = %s AND file_id = %s",
                (self.job_id, file_id),
            )
            or []
        }
        missing = {"transcript.json", "forensic.json", *KINDS} - set(made)
        if missing:
            return f"no {', '.join(sorted(missing))}"
        for kind, (uri, digest) in made.items():
            key = f"completed/{self.job_id}/{file_id}_{kind}"
            if uri != f"s3://{self.lab.bucket}/{key}":
                return f"{kind} lies at {uri}"
            if self.lab.digest(key) != digest:
                return f"{kind} is not what the database says"
        name = f"completed/{self.job_id}/{file_id}"
        analysis = self.lab.read(f"{name}_forensic.json") or b"{}"
        if json.loads(analysis).get("transcript", {}).get("sha256") != made["transcript.json"][1]:
            return "the analysis is of another transcript"
        if fake and made["transcript.json"][1] != _sha256(fake_transcript(data, "auto").to_json().encode()):
            return "the transcript is not that of this recording"
        if fake and _sha256(analysis).encode() not in (self.lab.read(f"{name}_report.html") or b""):
            return "the report is of another analysis"
        return None

    def _summary(self, verdict: Verdict) -> None:
        data = self.lab.read(f"completed/{self.job_id}/job_summary.json")
        if data is None:
            verdict.lost.append("job_summary.json is missing")
        elif json.loads(data)["totals"]["by_state"] != verdict.states:
            verdict.lost.append("job_summary.json counts otherwise than the database")
