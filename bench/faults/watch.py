"""After the fault: when the system noticed, and when work went on.

*detected*: seconds from the fault to the first sign that the system noticed. A service: its successor's process exists.
A task or its worker: the task's state or try number changed. A burst: a try of a task failed (none: it was absorbed by
the requests' own retries).

*resumed*: seconds from the fault (of a burst: from its end) to work going on. A service: its successor is healthy *and*
the job made progress after the detection. A task: a recording changed its state in a later try of this task, or this
task ended. A burst: progress after its end. Progress is a recording's new state (not the same one again) or a task's
success.
"""

from __future__ import annotations

import time
from typing import Any

from bench.faults.inject import Shot
from bench.faults.job import Job
from bench.faults.lab import Lab


class Watch:
    """Looks at a job five times a second until its runs have ended."""

    def __init__(self, lab: Lab, job: Job, shot: Shot | None) -> None:
        self.lab = lab
        self.job = job
        self.shot = shot
        self.detected: float | None = None
        self.healthy: float | None = None
        self.progress: list[float] = []
        """Unix seconds at which tasks succeeded; recordings' events are read at the end."""
        self._seen: set[tuple[Any, ...]] = set()

    def follow(self, limit_s: float) -> bool:
        """Wait until the job has ended and a killed service is back; False when that took too long."""
        deadline = time.time() + limit_s
        while time.time() < deadline:
            self._look()
            back = self.shot is None or self.shot.service is None or self.shot.optional or self.healthy is not None
            burst = self.shot is not None and (self.shot.until or 0) > time.time()
            if back and not burst and self.job.ended():
                return True
            time.sleep(0.2)
        return False

    def _look(self) -> None:
        tasks, now = self.job.tasks(), time.time()
        for task in tasks:
            mark = (task["task"], task["index"], task["try"])
            if task["state"] == "success" and task["end"] is not None and mark not in self._seen:
                self._seen.add(mark)
                self.progress.append(task["end"])
        if self.shot is None:
            return
        if self.shot.service is not None:
            self._look_at_service(self.shot.service, now)
        elif self.detected is None and self._noticed(tasks):
            self.detected = now

    def _look_at_service(self, service: str, now: float) -> None:
        if self.detected is None:
            process = self.lab.main_process(service)
            if process is not None and process.pid != self.shot.pid:
                self.detected = now
        elif self.healthy is None and self.lab.healthy(service, self.shot.at):
            self.healthy = time.time()

    def _noticed(self, tasks: list[dict[str, Any]]) -> bool:
        killed = self.shot.task
        if killed is not None:
            return any(
                (one["task"], one["index"]) == (killed["task"], killed["index"])
                and (one["state"], one["try"]) != ("running", killed["try"])
                for one in tasks
            )
        return self.shot.until is not None and any(one["state"] == "up_for_retry" for one in tasks)

    def measured(self) -> dict[str, float | None]:
        """``detect_s`` and ``resume_s``; None where there is nothing to say."""
        if self.shot is None:
            return {"detect_s": None, "resume_s": None}
        since = self.shot.until or self.shot.at
        resumed = self._resumed(since)
        return {
            "detect_s": None if self.detected is None else round(self.detected - self.shot.at, 1),
            "resume_s": None if resumed is None else round(resumed - since, 1),
        }

    def _resumed(self, since: float) -> float | None:
        events = [one for one in self.job.events() if one["from"] != one["to"]]
        killed = self.shot.task
        if killed is not None:
            suffix = f"[{killed['index']}]" if killed["index"] >= 0 else ""
            actors = {f"{dag}.{killed['task']}{suffix}" for dag in ("process", "reprocess")}
            moments = [one["at"] for one in events if one["actor"] in actors and one["try"] > killed["try"]]
            moments += [
                one["end"]
                for one in self.job.tasks()
                if (one["task"], one["index"]) == (killed["task"], killed["index"]) and one["state"] == "success"
            ]
            return min(moments, default=None)
        after = self.detected if self.shot.service else since
        if after is None:
            return None
        moment = min((at for at in [*self.progress, *(one["at"] for one in events)] if at > after), default=None)
        if self.shot.service is None:
            return moment
        return None if self.healthy is None else max(self.healthy, moment or 0)
