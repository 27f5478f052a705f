"""Every text of a document, however deep, whatever field a later version adds: models, lists, dictionaries, keys.

Fields that can only hold fixed words (``Literal``) and values that are digests or times are left as they are;
everything else goes through the function that is handed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final, Literal, Protocol, TypeVar, get_args, get_origin

from pydantic import BaseModel

__all__ = ["Policy", "Rewrite", "walk"]

Policy = Literal["full", "formal", "label"]
"""``full``: all rules; ``formal``: what has a form, and what is known already (the software's own sentences are full of
capitalised words that are no names); ``label``: names and telephone numbers, but not every row of digits: the numbers
of a case or a run must stay readable."""

_Model = TypeVar("_Model", bound=BaseModel)

SOFTWARE_MODELS: Final = frozenset(
    ("Engine", "TaxonomyInfo", "NotMeasured", "Measure", "Quality", "QualityFlag", "EmotionModel")
)
SOFTWARE_FIELDS: Final = frozenset(
    (
        "method", "reason", "formula", "formula_version", "unit", "versions", "parameters", "weights",
        "decoder", "container", "codec", "messages", "detail", "rule", "rule_version", "filter", "category",
        "flags", "kind", "model", "version", "language", "language_model", "software_version", "scores",
        "schema_", "id", "fallback", "accuracy", "abstained",
    )
)  # fmt: skip
TOLD_MODELS: Final = frozenset(("ReportFacts", "StatedFacts", "CustodyEvent", "VerifiedCopy"))
"""What people wrote and said: no name of a field makes the software their author (``CustodyEvent.reason``)."""
OBSERVATION_FIELDS: Final = frozenset(("id", "what", "meaning", "limits"))
"""The software's own sentences about a file; what stands beside them (``values``, ``where``) is the file's."""
LABEL_FIELDS: Final = frozenset(("job_id", "run_id", "job", "run", "case", "case_number", "evidence_number"))
_FIXED: Final = re.compile(
    # a digest has a letter: sixteen decimal digits are a card's
    r"(?=[0-9]*[a-f])[0-9a-f]{16,}|[0-9a-f]{64}|\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"
)


class Rewrite(Protocol):
    """What is done with one text."""

    def __call__(self, text: str, path: str, policy: Policy) -> str:
        """The text that stands there afterwards."""


@cache
def _fixed_fields(kind: type[BaseModel]) -> frozenset[str]:
    """The fields of a model whose texts can only be words of a list."""
    return frozenset(name for name, field in kind.model_fields.items() if not _free(field.annotation))


def _free(annotation: Any) -> bool:
    """Whether a free text can stand in a value of this type."""
    if annotation is str or annotation is Any:
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return True
    if get_origin(annotation) is Literal:
        return False
    return any(_free(one) for one in get_args(annotation))


def walk(
    model: _Model, rewrite: Rewrite, *, special: Callable[[BaseModel, str], BaseModel | None], path: str = ""
) -> _Model:
    """A copy of a model in which every free text is what ``rewrite`` makes of it.

    Args:
        model: any pydantic model.
        rewrite: called for each text with its path.
        special: gives a model's replacement, whose fields are not walked any more; None: walk it.
        path: what the paths of its fields begin with.
    """
    return _model(model, rewrite, special, path, "full")


def _model(
    model: _Model, rewrite: Rewrite, special: Callable[[BaseModel, str], BaseModel | None], path: str, policy: Policy
) -> _Model:
    if type(model).__name__ in SOFTWARE_MODELS:
        policy = "formal"
    fixed = _fixed_fields(type(model))
    changed = {}
    for name in type(model).model_fields:
        if name not in fixed:
            own = _policy(type(model), name, policy)
            before = getattr(model, name)
            after = _value(before, rewrite, special, f"{path}.{name}" if path else name, own)
            if after is not before:
                changed[name] = after
    return model.model_copy(update=changed) if changed else model


@cache
def _policy(kind: type[BaseModel], name: str, policy: Policy) -> Policy:
    """How a field is searched; of a model and of what it is derived from, because later versions derive."""
    kinds = {one.__name__ for one in kind.__mro__}
    software = frozenset() if kinds & TOLD_MODELS else SOFTWARE_FIELDS
    if "Observation" in kinds:
        software = OBSERVATION_FIELDS
    return "formal" if name in software else "label" if name in LABEL_FIELDS else policy


def _value(
    value: Any, rewrite: Rewrite, special: Callable[[BaseModel, str], BaseModel | None], path: str, policy: Policy
) -> Any:
    if isinstance(value, str):
        return value if not value or _FIXED.fullmatch(value) else rewrite(value, path, policy)
    if isinstance(value, BaseModel):
        replaced = special(value, path)
        return _model(value, rewrite, special, path, policy) if replaced is None else replaced
    if isinstance(value, list | tuple):
        return type(value)(_value(one, rewrite, special, f"{path}[{at}]", policy) for at, one in enumerate(value))
    if isinstance(value, dict):
        return _dictionary(value, rewrite, special, path, policy)
    return value


def _dictionary(
    value: dict[Any, Any],
    rewrite: Rewrite,
    special: Callable[[BaseModel, str], BaseModel | None],
    path: str,
    policy: Policy,
) -> dict[Any, Any]:
    """Keys are texts, too; two that look alike afterwards are kept apart by a number."""
    out: dict[Any, Any] = {}
    for at, (key, item) in enumerate(value.items()):
        shown = _value(key, rewrite, special, f"{path}{{{at}}}", policy) if isinstance(key, str) else key
        name, number = shown, 2
        while name in out:
            name, number = f"{shown} ({number})", number + 1
        out[name] = _value(item, rewrite, special, f"{path}{{{at}}}" if shown != key else f"{path}.{key}", policy)
    return out
