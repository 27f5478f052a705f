"""Release of a quarantined job in Airflow's UI: who answers there decides, and the answer is a custody event.

The DAG ``process`` asks when its claim was refused (:class:`AskForRelease` starts the DAG ``release``, once for an
intake.json); ``release`` waits for a person without holding a worker (:class:`Decide`), writes down who decided what
and why, and takes the job up again.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk.exceptions import AirflowSkipException

from include import state
from include.errors import EvidenceError
from include.manifest import check_job_id, check_prefix
from include.pipeline.taskrun import task_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

__all__ = ["KEEP", "RELEASE", "AskForRelease", "Decide", "next_question", "question", "record"]

Json = dict[str, Any]

RELEASE, KEEP = "Release", "Keep held"
"""The two answers."""

_LISTED = 1000  # recordings in one question; what a person was not shown is not released
_REASON = 2000  # characters of it that the ledger gets


def next_question(job_id: str, runs: Callable[[str, list[str] | None], int]) -> str | None:
    """The id of the run of ``release`` that asks about a job now; None when nobody has to be asked.

    Args:
        job_id: the job.
        runs: how many runs of ``release`` have this id, of these states or of any.
    """
    held = state.quarantined(job_id)
    if held is None or state.is_kept_held(job_id, held.sha256):
        return None
    base = f"release__{job_id}__{held.sha256[:12]}"
    for number in range(1, 1000):
        run_id = base if number == 1 else f"{base}__{number}"
        if runs(run_id, ["queued", "running"]):
            return None  # the question stands
        if not runs(run_id, None):
            return run_id
    return None


class AskForRelease(TriggerDagRunOperator):
    """Starts the DAG ``release`` for this run's job when it is in quarantine; is skipped otherwise."""

    def execute(self, context: Context) -> None:
        """Start it.

        Raises:
            AirflowSkipException: nobody has to be asked: the claim failed for another reason, the question stands
                already, or somebody decided that the job stays held.
        """
        params, ti = context["params"], context["ti"]

        def runs(run_id: str, states: list[str] | None) -> int:
            return int(ti.get_dr_count(dag_id="release", run_ids=[run_id], states=states))

        job_id = check_job_id(params["job_id"])
        run_id = next_question(job_id, runs)
        if run_id is None:
            raise AirflowSkipException("Nobody has to be asked about this job.")
        self.trigger_run_id, self.conf = run_id, {"job_id": job_id, "prefix": params["prefix"]}
        super().execute(context)


def question(context: Context) -> Json:
    """What a person is asked: subject, body (Markdown), the intake.json's SHA-256, the recordings.

    Raises:
        AirflowSkipException: the job is in quarantine no more.
    """
    job_id = check_job_id(context["params"]["job_id"])
    held = state.quarantined(job_id)
    if held is None:
        raise AirflowSkipException(f"The job {job_id} is not in quarantine.")
    names = held.names[:_LISTED]
    lines = [f"- {_code(name)}" for name in names]
    if len(held.names) > _LISTED:
        lines.append(f"- … and {len(held.names) - _LISTED} more: you will be asked about them next")
    body = (
        f"intake.json of the job {_code(job_id)} (SHA-256 `{held.sha256}`) declares a conversation between others, and "
        "states no legal basis, consent or warrant (통신비밀보호법 §3, §14), for:\n\n" + "\n".join(lines) + "\n\n"
        f"(SHA-256 of this list: `{state.names_sha256(names)}`)\n\n"
        f"**{RELEASE}**: these recordings are transcribed and analysed. **{KEEP}**: nothing of the job is touched, and "
        "what was released of it before is held again. Your Airflow user, "
        "your answer and your reason go into the custody ledger. To release only some recordings, state the facts "
        "of each in a new intake.json instead.\n\n"
        "타인 간의 대화로 신고되었으나 법적 근거가 적혀 있지 않습니다. 해제하면 분석하고, 유지하면 아무것도 하지 "
        "않습니다. 응답자, 응답, 사유가 보관 이력에 기록됩니다."
    )
    subject = f"Quarantine: {len(names)} recordings of job {job_id}"
    return {"subject": subject, "body": body, "sha256": held.sha256, "names": list(names)}


def _code(text: str) -> str:
    """A text from outside as code in Markdown: nothing in it is markup."""
    plain = "".join(one if one.isprintable() else "�" for one in text)
    return f"`{plain.replace('`', 'ˋ')}`"


class Decide(HITLOperator):
    """Waits for a person's answer; one without a reason or without a user is asked for again."""

    def execute_complete(self, context: Context, event: Json) -> Json:
        """Take the answer.

        Raises:
            ValueError: it has no reason, or Airflow does not know who gave it; the retry asks anew.
            HITLTimeoutError: nobody answered in time; the retry asks anew.
        """
        answer: Json = super().execute_complete(context, event)
        user, reason = answer["responded_by_user"], str(answer["params_input"].get("reason") or "").strip()
        if not user or not reason:
            raise ValueError("An answer needs a reason and a user; the question is asked again.")
        return {
            "option": answer["chosen_options"][0],
            "user_id": str(user["id"]),
            "user_name": str(user["name"]),
            "reason": reason,
            "at": answer["responded_at"].isoformat(),
        }


def record(context: Context, asked: Json, answer: Json) -> list[Json]:
    """Write the decision into the ledger; returns the run of ``process`` to start (none: it stays held).

    Raises:
        EvidenceError: the answer is none of the two.
        StateError: PostgreSQL can't be reached.
    """
    params, run = context["params"], task_run(context)
    job_id = check_job_id(params["job_id"])
    user, name = answer["user_id"], answer["user_name"]
    person = _plain(name if name == user else f"{name} ({user})")
    reason = f"{_plain(answer['reason'])} (answered in Airflow at {answer['at']})"
    # the same decision again that still holds is a retry; anything else is a new answer (tasks were cleared)
    decided, sha256 = state.decision_of(job_id, run.run_id), asked["sha256"]
    if answer["option"] == KEEP:
        if decided != "kept held" or not state.is_kept_held(job_id, sha256):
            state.keep_held(job_id, sha256, person, reason, run.actor)
        return []
    if answer["option"] != RELEASE:
        raise EvidenceError(f"The answer {answer['option']!r} is neither {RELEASE} nor {KEEP}; clear the task decide.")
    if decided != "released" or state.unreleased(job_id, sha256, asked["names"]):
        state.release_job(job_id, sha256, person, reason, run.actor, names=asked["names"])
    conf = {"job_id": job_id, "prefix": check_prefix(params["prefix"]) if params["prefix"] else None}
    # one for each answer: a release after a Keep starts the job, though an earlier release of this run did so too
    at = hashlib.sha256(answer["at"].encode()).hexdigest()[:8]
    return [{"trigger_run_id": f"released__{run.run_id.removeprefix('release__')}__{at}", "conf": conf}]


def _plain(text: str) -> str:
    """What PostgreSQL and a line of the ledger can hold."""
    return "".join(one if one.isprintable() else " " for one in text).strip()[:_REASON]
