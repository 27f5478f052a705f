"""The form of a job: what may be asked for, checked by JSON schema; and the tasks' common options."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, get_args

from airflow.sdk import ExceptionRetryPolicy, Param, RetryAction, RetryRule

from include.errors import ClockError, EvidenceError, InputError, JobFailedError, ModelError
from include.manifest import JOB_ID_PATTERN, PREFIX_PATTERN, Redo
from include.settings import LANGUAGES, get_settings

__all__ = ["DEFAULTS", "PARAMS", "REPROCESS"]

_NO_RETRY = RetryRule(
    exception=[EvidenceError, InputError, ModelError, JobFailedError],
    action=RetryAction.FAIL,
    reason="a retry can't heal it",
)

_CLOCK = RetryRule(exception=ClockError, reason="a clock that is wrong is set again")

DEFAULTS: dict[str, Any] = {
    "owner": "voiceman",
    # 2, 4, 8, then 10 s, up to twice as long each: a store or database that is away for two minutes fails no job, and
    # when it is back no task waits longer than that
    "retries": 14,
    "retry_delay": timedelta(seconds=2),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(seconds=10),
    "retry_policy": ExceptionRetryPolicy(rules=[_CLOCK, _NO_RETRY]),
    "execution_timeout": timedelta(minutes=55),
}
"""Of every task of a job."""

_MODELS = list(get_settings().offered_models)

PARAMS: dict[str, Param] = {
    "job_id": Param(
        type="string", pattern=JOB_ID_PATTERN, title="Job", description="Its folder under incoming/: letters, digits, "
        "'.', '_' or '-', beginning with a letter or digit, without '..' or '/'."
    ),
    "prefix": Param(
        None, type=["null", "string"], pattern=PREFIX_PATTERN, title="Prefix", description="Where the recordings lie, "
        "when that isn't incoming/(job)/: a folder, such as incoming/case-7/."
    ),
    "language": Param(
        "auto", enum=list(LANGUAGES), title="Language", description="Spoken; auto detects it in each recording."
    ),
    "priority": Param(
        "normal", enum=["normal", "urgent"], title="Priority", description="Urgent jobs take the next free slot."
    ),
    "emotion": Param(
        "default", enum=["default", "on", "off"], title="Emotion", description="Whether an emotion model is applied to "
        "the voices; default: as configured. Without a model only arousal-related measures are given."
    ),
    "models": Param(_MODELS[0], enum=_MODELS, title="Models", description="Whisper weights."),
    "redo": Param(
        "nothing", enum=list(get_args(Redo)), title="Do again", description="Of a job that was done before: failed "
        "recordings; outdated: also analyses and reports of older versions; all: everything."
    ),
}  # fmt: skip
"""Of ``process``, by name."""

REPROCESS: dict[str, Param] = PARAMS | {
    "received": Param(
        None, type=["null", "string"], title="Received", description="Touch only recordings received in this "
        "interval: two moments in ISO 8601 with a slash between."
    ),
    "failures": Param(
        "all", enum=["all", "transient"], title="Failures", description="Of failed recordings do again all, or only "
        "those that another try may heal."
    ),
}  # fmt: skip
"""Of ``reprocess``, by name. A job that is known keeps the language, priority and models that it was asked for with."""
