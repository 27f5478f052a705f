"""The container examination: what a file's structure and tags show, as observations (``voiceman.container/1``).

There is no verdict: an observation says what is there, what it may mean and what it can't show. A person concludes.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from include.described import DESCRIBED
from include.errors import DocumentError

__all__ = ["ContainerExamination", "Observation", "load_examination"]

SCHEMA: Final = "voiceman.container/1"


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=DESCRIBED,
        populate_by_name=True,
        hide_input_in_errors=True,
    )


class Observation(_Model):
    """One thing that was seen."""

    id: str = Field(pattern=r"^[a-z0-9_]+\.[a-z0-9_]+$")
    """Stable: the same for the same kind of thing in every file and version."""
    what: str
    """What was seen, in words."""
    values: dict[str, str]
    """What stands there; texts from the file are cut at 300 characters."""
    where: str
    """Box or chunk, and its byte offset (``@``)."""
    meaning: str
    """What it may mean."""
    limits: str
    """What it can't show."""


class ContainerExamination(_Model):
    """What was seen in one file."""

    schema_: Literal["voiceman.container/1"] = Field(SCHEMA, alias="schema")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the file, hex."""
    size_bytes: int = Field(ge=0)
    container: str
    """By its first bytes: ``iso-bmff``, ``riff``, ``mpeg``, ``ogg``, ``flac``, ``amr``, ``asf`` or ``unknown``."""
    settings_digest: str
    """SHA-256 over the examination's code and texts, hex."""
    observations: tuple[Observation, ...]
    left_out: int = Field(ge=0)
    """Observations beyond the number that is kept."""

    def to_json(self) -> str:
        """The document; the same file and name give the same bytes."""
        return self.model_dump_json(indent=2, by_alias=True) + "\n"


def load_examination(data: bytes, *, name: str) -> ContainerExamination:
    """Read a document back.

    Raises:
        DocumentError: it is none.
    """
    try:
        return ContainerExamination.model_validate_json(data)
    except ValidationError as error:
        raise DocumentError(f"{name} is not a container examination; examine the recording again.") from error
