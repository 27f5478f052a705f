"""The container examination in the pipeline: made with the transcript, printed with the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include import container
from include.pipeline import kept

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from include import state
    from include.container import ContainerExamination
    from include.manifest import Recording
    from include.state import Actor
    from include.storage import Store

__all__ = ["KIND", "container_of", "examined_container"]

KIND = "container.json"
"""Of the artefact."""


def examined_container(
    store: Store,
    recording: Recording,
    local: Callable[[], Path],
    before: state.Artefact | None,
    actor: Actor,
    *,
    fresh: bool,
) -> dict[str, str]:
    """Examine a recording's container, unless that was done by this very code.

    Args:
        store: the bucket.
        recording: the recording.
        local: gives it as a local file, verified.
        before: the examination that there is.
        actor: who has it.
        fresh: do it again in any case.

    Returns:
        The artefact's kind and SHA-256.

    Raises:
        DigestMismatchError: the recording is not what was claimed.
    """
    digest = container.examination_digest()
    if not fresh and before is not None and kept.made_before(store, before, digest):
        return {KIND: before.ref.sha256}
    name = recording.received_name or recording.name
    found = container.examine_file(local(), sha256=recording.sha256, name=name)
    return {KIND: kept.save(store, recording, KIND, found.to_json().encode(), digest, actor=actor)}


def container_of(
    store: Store, recording: Recording, made: Mapping[str, state.Artefact]
) -> tuple[ContainerExamination | None, dict[str, str]]:
    """A recording's examination with its kind and SHA-256; None for one transcribed before there was any."""
    if KIND not in made:
        return None, {}
    data, ref = kept.read_artefact(store, recording, KIND, made)
    return container.load_examination(data, name=ref.uri), {KIND: ref.sha256}
