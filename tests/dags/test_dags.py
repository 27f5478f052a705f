"""Every DAG of ours: loads without a database, keeps the house's policy, refuses wrong parameters."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import ParamValidationError

from include.errors import ClockError, InputError, VoiceManError
from include.settings import ROOT, get_settings

DAGS = sorted((ROOT / "dags").glob("*.py"))


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(str(ROOT / "dags"))


def test_all_dags_load(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == {"process", "reprocess", "intake", "watch", "nightly", "housekeeping", "release"}


def test_policy(bag: DagBag) -> None:
    pools = set(json.loads((ROOT / "pools.json").read_text())) | {"default_pool"}
    for dag in bag.dags.values():
        assert dag.tags, dag.dag_id
        assert dag.doc_md and "When it is red" in dag.doc_md, dag.dag_id
        assert dag.catchup is False
        for task in dag.tasks:
            assert task.owner == "voiceman", task.task_id
            assert task.retries >= 1, task.task_id
            assert task.pool in pools, task.task_id
            assert task.queue in ("default", "gpu"), task.task_id


def test_a_job_outlives_two_minutes_without_its_store_and_goes_on_at_once_after_a_blip(bag: DagBag) -> None:
    for task in bag.dags["process"].tasks:
        first, most = task.retry_delay.total_seconds(), task.max_retry_delay.total_seconds()
        pauses = [min(first * task.retry_exponential_backoff**number, most) for number in range(task.retries)]
        assert pauses[0] <= 2  # Airflow makes it up to twice as long
        assert sum(pauses) >= 120, task.task_id


def every(error: type[VoiceManError]) -> list[type[VoiceManError]]:
    return [error, *(found for one in error.__subclasses__() for found in every(one))]


def test_no_task_gives_up_over_an_error_that_a_retry_may_heal(bag: DagBag) -> None:
    healed = [error for error in every(VoiceManError) if error.retryable]
    assert ClockError in healed
    for task in bag.dags["process"].tasks:
        decided = {error: task.retry_policy.evaluate(error("x"), 1, 6).action for error in healed}
        assert set(decided.values()) <= {RetryAction.RETRY, RetryAction.DEFAULT}, (task.task_id, decided)
        assert task.retry_policy.evaluate(InputError("x"), 1, 6).action is RetryAction.FAIL


def test_shape_of_process(bag: DagBag) -> None:
    dag = bag.dags["process"]
    order = ["claim", "plan", "batch.transcribe", "batch.analyze", "batch.report", "summarize", "notify", "gate"]
    assert [t.task_id for t in dag.topological_sort() if t.task_id != "ask"] == order
    ask = dag.get_task("ask")  # only after a failed claim; beside the way, and never its end
    assert (ask.trigger_rule, ask.upstream_task_ids, ask.downstream_task_ids) == (
        "one_failed", {"claim"}, {"summarize"},
    )  # fmt: skip
    assert dag.get_task("batch.transcribe").pool == "gpu"
    assert dag.get_task("batch.transcribe").queue == "gpu"
    assert [t.task_id for t in dag.leaves] == ["gate"]
    group = dag.task_group.children["batch"]
    assert type(group).__name__ == "MappedTaskGroup"  # one group over batches: no barrier between its stages


def test_a_question_waits_without_a_worker_and_has_no_answer_of_its_own(bag: DagBag) -> None:
    dag = bag.dags["release"]
    assert [t.task_id for t in dag.topological_sort()] == ["question", "decide", "record", "again"]
    decide = dag.get_task("decide")
    assert decide.defaults is None  # a time-out releases nothing
    assert decide.options == ["Release", "Keep held"]
    assert list(decide.params) == ["reason"]
    assert decide.execution_timeout is None
    assert dag.max_active_runs >= 1000


@pytest.mark.parametrize(
    "params",
    [
        {"job_id": "a/b"},
        {"job_id": "a..b"},
        {"job_id": ""},
        {"job_id": "x", "language": "klingon"},
        {"job_id": "x", "priority": "now"},
        {"job_id": "x", "redo": "everything"},
        {"job_id": "x", "models": "../../etc"},
        {"job_id": "x", "prefix": "originals/x/"},
        {"job_id": "x", "prefix": "incoming/../originals/"},
        {"job_id": "x", "prefix": 5},
        {"language": "ko"},
    ],
)
def test_wrong_parameters_are_refused(bag: DagBag, params: dict[str, str]) -> None:
    merged = copy.deepcopy(bag.dags["process"].params)
    with pytest.raises(ParamValidationError):
        merged.update(params)
        merged.validate()


def test_the_defaults_need_only_a_job_id(bag: DagBag) -> None:
    merged = copy.deepcopy(bag.dags["process"].params)
    merged.update({"job_id": "사건-1"})
    assert merged.validate() == {
        "job_id": "사건-1", "prefix": None, "language": "auto", "priority": "normal", "models": "base",
        "emotion": "default", "redo": "nothing",
    }  # fmt: skip


def test_reruns_have_the_same_steps_and_never_come_first(bag: DagBag) -> None:
    live, again = bag.dags["process"], bag.dags["reprocess"]
    assert [t.task_id for t in again.topological_sort()] == [t.task_id for t in live.topological_sort()]
    # a task's weight is the sum over what follows it: all steps of a rerun together weigh less than a live job's last
    assert sum(t.priority_weight for t in again.tasks) < min(t.priority_weight for t in live.tasks)
    assert again.max_active_runs < live.max_active_runs


@pytest.mark.parametrize("path", DAGS, ids=lambda p: p.name)
def test_dag_files_only_wire(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 120


def test_parsing_stays_cheap_beside_importing_airflow() -> None:
    # CPU seconds, beside Airflow's own import on the same machine (0.7 beside 3.2 on an EPYC). Every process of Airflow
    # has that in memory
    code = (
        "import time\n"
        "s = time.process_time()\n"
        "import airflow.sdk, airflow.providers.standard.operators.trigger_dagrun, airflow.triggers.base\n"
        "import importlib.util, sys\n"
        "t = time.process_time()\n"
        "for path in sys.argv[1:]:\n"
        "    spec = importlib.util.spec_from_file_location(path, path)\n"
        "    spec.loader.exec_module(importlib.util.module_from_spec(spec))\n"
        "print((time.process_time() - t) / (t - s))\n"
    )
    share = min(
        float(
            subprocess.run(
                [sys.executable, "-c", code, *map(str, DAGS)], capture_output=True, text=True, check=True, cwd=ROOT
            ).stdout.splitlines()[-1]
        )
        for _ in range(2)
    )
    assert share < 0.45, f"{share:.2f} of what Airflow's import takes"


def test_a_queue_of_notifications_wakes_the_intake_beside_its_watcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMAN_SQS_QUEUE", "https://sqs.ap-northeast-2.amazonaws.com/1/drops")
    get_settings.cache_clear()
    bag = DagBag(str(ROOT / "dags" / "intake.py"))
    assert bag.import_errors == {}
    assets = {
        watcher.name: watcher.trigger.serialize()
        for asset in bag.dags["intake"].timetable.asset_condition.objects
        for watcher in asset.watchers
    }
    path, kwargs = assets["voiceman-incoming-queue"]
    assert path == "airflow.providers.amazon.aws.triggers.sqs.SqsSensorTrigger"
    assert kwargs["sqs_queue"] == "https://sqs.ap-northeast-2.amazonaws.com/1/drops"
    assert (kwargs["aws_conn_id"], kwargs["delete_message_on_reception"]) == ("voiceman_s3", True)
    assert assets["voiceman-incoming-watcher"][0] == "include.pipeline.drop.IncomingTrigger"
