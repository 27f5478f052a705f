"""Telling people and systems that a job ended, through Airflow's notifiers.

The type of each configured connection picks the notifier. What is sent: the ids of the job and the run, counts, codes
of failures, a link to the run. Never what was said, and no file names: those of call recorders hold people's names.
"""

from __future__ import annotations

import html
import logging
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from include import state
from include.errors import VoiceManError
from include.manifest import State
from include.pipeline.summary import own_manifest
from include.settings import get_settings
from include.storage import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

__all__ = ["JobEnd", "notify_end", "tell"]

log = logging.getLogger(__name__)

SCHEMA = "voiceman.notification/1"

_TOTAL_S = 10.0
"""After this many seconds a connection is given up."""
_STEP_S = 5
"""Longest wait for a connection or an answer, where the notifier lets it be said."""


@dataclass(frozen=True)
class JobEnd:
    """How a run of a job ended; all counts are of what the run claimed."""

    job_id: str
    run_id: str
    dag_id: str
    outcome: str
    """``completed`` when every recording is; else ``failed``."""
    recordings: int
    completed: int
    failed: int
    unfinished: int
    """Neither: another run has taken them over."""
    missing: int
    """Files that the drop's manifest.json lists and that never came."""
    failures: dict[str, int]
    """Error code → recordings."""
    link: str
    """The run in the Airflow UI."""


def notify_end(context: Context, job_id: str) -> str:
    """Tell every configured connection how the job ended; whatever goes wrong, nothing is raised.

    Args:
        context: the task's.
        job_id: the job.

    Returns:
        Per connection ``sent``, ``failed: <type of the error>`` or ``not configured: …``; or one reason for all.
    """
    settings = get_settings()
    if not settings.notify_connections:
        log.info("No notification: VOICEMAN_NOTIFY_CONN_IDS is not set.")
        return "not configured"
    try:
        end = _how_it_ended(job_id, str(context["run_id"]), context["ti"].dag_id)
    except VoiceManError as error:
        log.warning("No notification, because the job's end can't be read: %s", error)
        return f"failed: {type(error).__name__}"
    if settings.notify_on == "failure" and end.outcome != "failed":
        return "not told: nothing failed"
    told = {conn_id: tell(conn_id, end, context) for conn_id in settings.notify_connections}
    return "; ".join(f"{conn_id}: {result}" for conn_id, result in told.items())


def _how_it_ended(job_id: str, run_id: str, dag_id: str) -> JobEnd:
    manifest = own_manifest(open_store(), job_id, run_id)
    claimed = [] if manifest is None else [one.file_id for one in manifest.recordings]
    rows = list(state.recordings_of(job_id, claimed).values())
    completed = sum(row.state is State.COMPLETED for row in rows)
    failed = sum(row.state is State.FAILED for row in rows)
    missing = 0 if manifest is None else len(manifest.missing)
    fine = manifest is not None and completed == len(claimed) and not missing and manifest.problem is None
    page = f"{get_settings().ui_url.rstrip('/')}/dags/{quote(dag_id)}/runs/{quote(run_id, safe='')}"
    failures = Counter(row.error_code for row in rows if row.error_code is not None)
    return JobEnd(
        job_id=job_id,
        run_id=run_id,
        dag_id=dag_id,
        outcome="completed" if fine else "failed",
        recordings=len(claimed),
        completed=completed,
        failed=failed,
        unfinished=len(claimed) - completed - failed,
        missing=missing,
        failures=dict(sorted(failures.items())),
        link=page,
    )


def tell(conn_id: str, end: JobEnd, context: Context, *, timeout_s: float = _TOTAL_S) -> str:
    """Tell one connection, within a time limit.

    Args:
        conn_id: Airflow connection of type ``http``, ``smtp`` or ``slackwebhook``.
        end: what to tell.
        context: the task's.
        timeout_s: seconds after which it is given up: whatever the other side does, the job goes on.

    Returns:
        See :func:`notify_end`.
    """
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowException

    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowException:
        log.warning("The connection %s of VOICEMAN_NOTIFY_CONN_IDS is not defined in Airflow.", conn_id)
        return "not configured: no such connection"
    kind = connection.conn_type or ""
    _hide_address(connection.host or "")
    make = _NOTIFIERS.get(kind)
    if make is None:
        log.warning("The connection %s has the type %s; types that can be told: %s.", conn_id, kind, list(_NOTIFIERS))
        return f"not configured: the type {kind} has no notifier"
    if make is _mail and not get_settings().notify_email_to:
        log.warning("The connection %s is not told: VOICEMAN_NOTIFY_EMAIL_TO is not set.", conn_id)
        return "not configured: nobody to mail to"
    began = time.monotonic()
    result = _within(timeout_s, lambda: make(conn_id, end).notify(context))
    log.log(
        logging.INFO if result == "sent" else logging.WARNING,
        "Notification through %s (%s): %s after %.1f s", conn_id, kind, result, time.monotonic() - began,
    )  # fmt: skip
    return result


def _hide_address(host: str) -> None:
    """Have Airflow blank the path of a webhook's address in logs: it often holds a token, and the hook logs it."""
    from airflow.sdk.log import mask_secret

    path = urlsplit(host).path
    if len(path) > 1:
        mask_secret(path)


def _within(timeout_s: float, work: Callable[[], None]) -> str:
    """Do something in a thread that is left alone when it takes too long; its errors are named, not shown.

    An error's text may quote a webhook's address, which is a secret.
    """
    outcome: list[str] = []

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever a notifier raises, the job has ended already
            outcome.append(f"failed: {type(error).__name__}")
        else:
            outcome.append("sent")

    thread = threading.Thread(target=run, daemon=True, name="voiceman-notify")
    thread.start()
    thread.join(timeout_s)
    return outcome[0] if outcome else "failed: TimeoutError"


def _subject(end: JobEnd) -> str:
    word = "완료 / completed" if end.outcome == "completed" else "실패 있음 / failures"
    return f"[VoiceMan] {end.job_id}: {word} ({end.completed}/{end.recordings})"


def _lines(end: JobEnd) -> list[str]:
    codes = ", ".join(f"{code} {count}" for code, count in end.failures.items())
    told = [
        f"작업 / job: {end.job_id}",
        f"실행 / run: {end.run_id}",
        f"녹음 / recordings: {end.recordings}",
        f"완료 / completed: {end.completed}",
        f"실패 / failed: {end.failed}" + (f" ({codes})" if codes else ""),
    ]
    if end.unfinished:
        told.append(f"미완료 / unfinished: {end.unfinished}")
    if end.missing:
        told.append(f"목록에 있으나 도착하지 않음 / listed but never came: {end.missing}")
    if end.outcome == "failed":
        told.append("조치 / what to do: gate 로그, job_summary.json / the run's gate log, job_summary.json")
    return told


def _webhook(conn_id: str, end: JobEnd) -> Any:
    from airflow.providers.http.notifications import HttpNotifier

    body = {"schema": SCHEMA, **asdict(end)}
    return HttpNotifier(http_conn_id=conn_id, json=body, extra_options={"timeout": _STEP_S})


def _mail(conn_id: str, end: JobEnd) -> Any:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    lines = "".join(f"<p>{html.escape(line)}</p>\n" for line in _lines(end))
    link = html.escape(end.link, quote=True)
    to = [address.strip() for address in get_settings().notify_email_to.split(",") if address.strip()]
    return SmtpNotifier(
        smtp_conn_id=conn_id,
        to=to,
        subject=_subject(end),
        html_content=f'{lines}<p><a href="{link}">{link}</a></p>\n',
    )


def _slack(conn_id: str, end: JobEnd) -> Any:
    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

    text = "\n".join((_subject(end), *_lines(end), end.link))
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return SlackWebhookNotifier(
        slack_webhook_conn_id=conn_id, text=escaped, timeout=_STEP_S, unfurl_links=False, retry_handlers=[]
    )


_NOTIFIERS: dict[str, Callable[[str, JobEnd], Any]] = {"http": _webhook, "smtp": _mail, "slackwebhook": _slack}
