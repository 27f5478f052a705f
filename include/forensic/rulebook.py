"""The taxonomy: categories, rules and filters as data, checked and compiled once.

The files lie in ``include/forensic/taxonomy/``: ``shared.yaml`` (version, word lists, pattern sets, filters)
and one file per family of categories. Statutes in them are leads to verify, not a legal opinion.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from include.errors import SettingsError
from include.forensic.analysis import TaxonomyInfo
from include.forensic.pattern import Pattern, compile_pattern

__all__ = [
    "Action",
    "Category",
    "CompiledFilter",
    "CompiledRule",
    "CounterKind",
    "Filter",
    "Rule",
    "Taxonomy",
    "load_taxonomy",
    "taxonomy_digest",
]

_DIRECTORY = Path(__file__).parent / "taxonomy"

Action = Literal["suppress", "ambiguous", "record", "off"]
"""What a filter does: no finding · a finding of severity 1 with counter-evidence · counter-evidence only · nothing."""

CounterKind = Literal["negation", "quotation", "joke", "hypothetical", "question", "narration", "reciprocity"]

Example = str | list[str]
"""One utterance, or the consecutive utterances of one speaker."""


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Filter(_Data):
    """Words near a match that change what it means."""

    id: str = Field(pattern=r"^[a-z_]+$")
    language: Literal["ko", "en"]
    kind: CounterKind
    """Under which name it is shown as counter-evidence."""
    action: Action
    """What it does unless a rule says otherwise."""
    scope: Literal["sentence", "passage", "nearby", "dialogue"] = "sentence"
    """``sentence`` or ``passage``: that of the match. ``nearby``: also the passages next to it, any speaker.
    ``dialogue``: every passage, any speaker; ``before`` and ``after`` don't count."""
    before: int = Field(20, ge=0)
    """Tokens before the match that it looks at."""
    after: int = Field(20, ge=0)
    """Tokens after the match that it looks at."""
    any_of: list[str] = Field(min_length=1)


class Group(_Data):
    """One of the elements that a combination needs."""

    name: str
    any_of: list[str] = Field(min_length=1)
    required: bool = False
    """With ``at_least``: this element must be among them."""


class Rule(_Data):
    """What to look for. Either ``any_of`` (one passage) or ``all_of`` (several within a window)."""

    id: str = Field(pattern=r"^[A-Z0-9_.]+$")
    version: str
    language: Literal["ko", "en"]
    severity: Literal[1, 2, 3, 4]
    description: str
    any_of: list[str] = Field(default_factory=list)
    all_of: list[Group] = Field(default_factory=list)
    """The last group is the passage that the finding points at."""
    at_least: int | None = Field(None, ge=2)
    """For ``all_of``: so many of the elements are enough; without it all are needed."""
    window: int = Field(1, ge=1, le=400)
    """For ``all_of``: how many consecutive stretches (:mod:`include.forensic.texts`) of the same speaker."""
    support: int = Field(1, ge=1, le=5)
    """In how many sentences nearby (:mod:`include.forensic.selection`) its family must be found."""
    beside: list[str] = Field(default_factory=list)
    """Shown only where the same recording has a finding of one of these categories."""
    filters: dict[str, Action] = Field(default_factory=dict)
    """Filter id → action, where it differs from the filter's own."""
    positive: list[Example] = Field(min_length=2)
    negative: list[Example] = Field(min_length=2)

    @model_validator(mode="after")
    def _one_kind(self) -> Rule:
        if bool(self.any_of) == bool(self.all_of):
            raise ValueError(f"rule {self.id}: give either any_of or all_of")
        if self.at_least is not None and self.at_least > len(self.all_of):
            raise ValueError(f"rule {self.id}: at_least is more than there are elements")
        return self


class Repetition(_Data):
    """How often something must have happened for the category to apply; one finding alone shows no repetition."""

    scope: Literal["recording", "case"]
    minimum: int = Field(ge=2)


class Category(_Data):
    """A category with its rules."""

    id: str = Field(pattern=r"^[A-Z_]+(\.[A-Z_]+)*$")
    name_ko: str
    name_en: str
    description: str
    severity: dict[Literal[1, 2, 3, 4], str]
    """What each level means in this category."""
    reference: str
    """Statute and article: a lead to verify, not a legal opinion."""
    verified_on: str | None
    """Date on which a person checked the reference against the law in force; null until then."""
    nature: Literal["offence", "no_offence", "welfare", "flag", "signal"] = "offence"
    """``offence``: the reference describes one. ``no_offence``: none in itself. ``welfare``: for routing to help.
    ``flag``: shown only beside another finding of its family, for it means little alone. ``signal``: never a finding
    of a recording; read over the recordings of a case (:mod:`include.forensic.case_stalking`)."""
    speaker_role: str = "anyone"
    """Who must have said it for the category to apply. Text does not show it: the examiner checks."""
    repetition: Repetition | None = None
    rules: list[Rule]


class _Shared(_Data):
    version: str
    lists: dict[str, list[str]]
    sequences: dict[str, list[str]]
    filters: list[Filter]
    spellings: dict[str, str] = Field(default_factory=dict)


class _Family(_Data):
    categories: list[Category]


@dataclass(frozen=True, slots=True)
class CompiledFilter:
    """A filter with its patterns ready."""

    data: Filter
    patterns: list[Pattern]


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule with its patterns ready: one group for ``any_of``, several for ``all_of``."""

    category: str
    data: Rule
    groups: list[list[Pattern]]
    filters: list[tuple[CompiledFilter, Action]]
    signal: bool = False
    """Of a category of the nature ``signal``: its matches are no findings."""


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """Everything the rules are."""

    version: str
    sha256: str
    """Over the files' names and bytes, in name order."""
    categories: list[Category]
    """Those that findings have."""
    rules: list[CompiledRule]
    """Of ``categories`` and ``signals``."""
    signals: list[Category]
    """Categories of the nature ``signal``."""
    spellings: dict[str, str]
    """What a decoder writes → what was likely said (near-homophones that are no words)."""

    def info(self) -> TaxonomyInfo:
        """What an analysis says about the taxonomy it used."""
        return TaxonomyInfo(
            version=self.version,
            sha256=self.sha256,
            languages=sorted({rule.data.language for rule in self.rules}),
            categories={
                category.id: {
                    "name_ko": category.name_ko,
                    "name_en": category.name_en,
                    "reference": category.reference,
                    "nature": category.nature,
                    "speaker_role": category.speaker_role,
                    "repetition": f"{item.minimum} per {item.scope}" if (item := category.repetition) else "",
                    "verified_on": category.verified_on or "",
                }
                for category in self.categories
            },
        )


@cache
def load_taxonomy() -> Taxonomy:
    """Read, check and compile the taxonomy; once per process.

    Raises:
        SettingsError: a file isn't what the schema says, names something undefined, or repeats an id.
    """
    paths = sorted(_DIRECTORY.glob("*.yaml"))
    digest = hashlib.sha256()
    shared: _Shared | None = None
    categories: list[Category] = []
    for path in paths:
        raw = path.read_bytes()
        digest.update(path.name.encode() + b"\0" + raw + b"\0")
        if path.name == "shared.yaml":
            shared = _Shared.model_validate(_parsed(path, raw, _Shared))
        else:
            categories.extend(_Family.model_validate(_parsed(path, raw, _Family)).categories)
    if shared is None:
        raise SettingsError(f"{_DIRECTORY / 'shared.yaml'} is missing; reinstall VoiceMan.")
    _check_ids(categories)
    filters = [CompiledFilter(item, _compiled(item.any_of, shared)) for item in shared.filters]
    rules = [_compiled_rule(category, rule, shared, filters) for category in categories for rule in category.rules]
    signals = [category for category in categories if category.nature == "signal"]
    found = [category for category in categories if category.nature != "signal"]
    return Taxonomy(shared.version, digest.hexdigest(), found, rules, signals, shared.spellings)


def taxonomy_digest() -> str:
    """SHA-256 (hex) over the taxonomy's files, in name order."""
    return load_taxonomy().sha256


def _parsed(path: Path, raw: bytes, model: type[_Shared] | type[_Family]) -> Any:
    """The file's data, already checked once so that an error can name the file."""
    try:
        data = yaml.load(raw, Loader=yaml.CSafeLoader)  # ten times as fast as Python's own; in every wheel of PyYAML
        model.model_validate(data)
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML ({error}); mend it.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{path}: {where}: {first['msg']}; mend it.") from error
    return data


def _check_ids(categories: list[Category]) -> None:
    ids = [category.id for category in categories] + [rule.id for item in categories for rule in item.rules]
    repeated = sorted({item for item in ids if ids.count(item) > 1})
    if repeated:
        raise SettingsError(f"The taxonomy uses {repeated[0]} twice; give every category and rule its own id.")


def _compiled(sources: list[str], shared: _Shared) -> list[Pattern]:
    return [pattern for source in sources for pattern in compile_pattern(source, shared.lists, shared.sequences)]


def _compiled_rule(category: Category, rule: Rule, shared: _Shared, filters: list[CompiledFilter]) -> CompiledRule:
    own = [item for item in filters if item.data.language == rule.language]
    unknown = sorted(set(rule.filters) - {item.data.id for item in own})
    if unknown:
        raise SettingsError(
            f"Rule {rule.id} names the filter {unknown[0]}, which its language doesn't have; define it."
        )
    chosen = [(item, rule.filters.get(item.data.id, item.data.action)) for item in own]
    return CompiledRule(
        category=category.id,
        data=rule,
        groups=[_compiled(group.any_of, shared) for group in rule.all_of] or [_compiled(rule.any_of, shared)],
        filters=[(item, action) for item, action in chosen if action != "off"],
        signal=category.nature == "signal",
    )
