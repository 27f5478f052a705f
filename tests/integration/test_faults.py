"""A short smoke of bench/faults: one killed task child, and a checker that finds what was broken on purpose."""

import random
from collections.abc import Iterator

import pytest

from bench.faults.inject import FAULTS
from bench.faults.job import Job, make_wav
from bench.faults.lab import Lab, wait_until
from bench.faults.watch import Watch
from tests.guard import guarded

pytestmark = pytest.mark.integration


@pytest.fixture
def lab() -> Iterator[Lab]:
    one = Lab({"VOICEMAN_FAKE_S": "0.4"}, proxied=False)
    try:
        with guarded(one.home):
            one.up()
            yield one
    finally:
        one.remove()


def test_a_killed_task_child_loses_and_doubles_nothing_and_the_checker_would_see_it(lab: Lab) -> None:
    job = Job(lab, "smoke", {f"rec-{index}.wav": make_wav(f"smoke {index}") for index in range(6)})
    job.drop()
    assert wait_until(lambda: any("transcribe" in task["task"] and task["start"] for task in job.tasks()), 90)
    shot = FAULTS["task-child"].inject(lab, job, random.Random(3))
    assert shot is not None
    watch = Watch(lab, job, shot)
    assert watch.follow(120)
    measured = watch.measured()
    assert measured["detect_s"] is not None
    assert measured["resume_s"] is not None
    assert measured["resume_s"] <= 30
    verdict = job.judge()
    assert (verdict.lost, verdict.doubled, verdict.leftovers) == ([], [], [])
    assert verdict.states == {"COMPLETED": 6}

    lab.put("completed/smoke/rec-0_report.html", b"changed")
    lab.s3.delete_object(Bucket=lab.bucket, Key="completed/smoke/rec-1_forensic.json")
    lab.put("originals/smoke/rec-2.wav", b"changed")
    lab.put("incoming/smoke/rec-9.wav", b"late")
    job.files["rec-3.wav"] = make_wav("another")
    job.files["rec-8.wav"] = make_wav("never dropped")
    verdict = job.judge(started_by_us=2)
    assert [line.split(":")[0] for line in sorted(verdict.lost)] == [
        "rec-0.wav", "rec-1.wav", "rec-2.wav", "rec-3.wav", "rec-8.wav",
    ]  # fmt: skip
    assert len(verdict.doubled) == 1  # one run where two were asked for
    assert verdict.leftovers == ["incoming/smoke/rec-9.wav"]
