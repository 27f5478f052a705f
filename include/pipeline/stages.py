"""The bodies of transcribe, analyze and report, each over one batch.

A recording whose artefact for exactly this input and these settings exists and verifies is not done again.
"""

from __future__ import annotations

import hashlib
import logging
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING

from include import forensic, report, state, stt
from include.errors import DigestMismatchError, MissingObjectError
from include.evidence import StageFacts
from include.manifest import ArtefactRef, Batch
from include.pipeline import kept
from include.pipeline import stage as one_stage
from include.pipeline.again import decode_again, decoded_again
from include.pipeline.alone import run_alone
from include.pipeline.containers import KIND as CONTAINER
from include.pipeline.containers import container_of, examined_container
from include.pipeline.engines import get_engines
from include.pipeline.facts import analyze_facts, transcribe_facts
from include.pipeline.rendering import PLAYER, REDACTED, redaction_digest, report_kinds
from include.pipeline.report_facts import now, report_facts
from include.pipeline.sounds import PcmStore, relate
from include.settings import get_settings
from include.storage import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from include.manifest import Recording
    from include.pipeline.taskrun import TaskRun
    from include.storage import Store

__all__ = ["analyze_batch", "report_batch", "transcribe_batch"]

log = logging.getLogger(__name__)


def transcribe_batch(store: Store, batch: Batch, run: TaskRun) -> int:
    """Transcribe a batch; models are loaded once, and only if a recording needs them.

    Args:
        store: the bucket.
        batch: the recordings, all of one language.
        run: this try of this task.

    Returns:
        How many recordings have a transcript now.
    """
    engines, model = get_engines(), batch.model
    sounds = None if batch.fresh else PcmStore(store)
    transcribers = engines.transcribers(1 if run.alone else len(batch.file_ids), model, sounds)
    transcribed: list[str] = []

    def work(recording: Recording) -> StageFacts:
        verified: dict[str, str] = {}
        made = kept.made_for(recording)
        with ExitStack() as held:

            @cache
            def local() -> Path:
                """Fetched once, when something first needs it."""
                path = held.enter_context(kept.working_copy(store, recording))
                verified["working copy"] = recording.sha256
                return path

            facts = one(recording, made, local)
            examined = examined_container(store, recording, local, made.get(CONTAINER), run.actor, fresh=batch.fresh)
        if verified:  # the copy was read again after the work: nothing that read it changed it
            verified["working copy after"] = recording.sha256
        return replace(facts, outputs={**facts.outputs, **examined}, verified=verified)

    def one(recording: Recording, made: Mapping[str, state.Artefact], local: Callable[[], Path]) -> StageFacts:
        digest = engines.transcript_digest(batch.language, model)
        if not batch.fresh and kept.made_before(store, made.get("transcript.json"), digest):
            data, ref = kept.read_artefact(store, recording, "transcript.json", made)
            known = stt.load_transcript(data, name=ref.uri)
            decodes = decode_again(store, batch, recording, known, ref.sha256, transcribers, local)
            return transcribe_facts(recording, known, ref.sha256, decodes, language=batch.language, hit=True)
        key, hit, seconds = layout.cache_transcript_key(recording.sha256, digest), True, None
        if batch.fresh or not store.exists(key):
            hit = False
            path, began = local(), time.perf_counter()
            heard = transcribers.transcribe(path, language=batch.language, name=recording.name)
            seconds = (time.perf_counter() - began) / transcribers.replicas  # they share the slot
            transcribed.append(recording.file_id)
            data = _into_cache(store, key, heard.to_json().encode())
        else:
            data = store.read_written(key)
        transcript = stt.load_transcript(data, name=store.uri(key))
        if transcript.recording.sha256 != recording.sha256:
            raise DigestMismatchError(
                f"{store.uri(key)} is a transcript of another recording; delete it and try again."
            )
        hit = hit or transcript.engine.transcribed_as is not None
        kept.save(
            store, recording, "transcript.json", data, digest, actor=run.actor, hit=hit, device_s=seconds,
            note=_note(transcript),
        )  # fmt: skip
        relate(recording, transcript)
        sha256 = hashlib.sha256(data).hexdigest()
        decodes = decode_again(store, batch, recording, transcript, sha256, transcribers, local)
        return transcribe_facts(recording, transcript, sha256, decodes, language=batch.language, hit=hit)

    alone = partial(run_alone, batch, run, "transcribe")
    done = one_stage.each(
        store, batch, run, one_stage.TRANSCRIBE, work, alone=alone, workers=1 if run.alone else transcribers.replicas
    )
    used = transcribers.memory()
    if used is not None and run.device and transcribed:  # the short windows of a second decode say too little
        state.save_model_memory(
            model, run.device, used.compute_type, fixed_bytes=used.fixed_bytes, bytes_per_chunk=used.bytes_per_chunk
        )
    return done


def _note(transcript: stt.Transcript) -> str | None:
    """What a reader of the summary must know: nobody speaks, or it is the transcript of a file with the same sound."""
    if transcript.empty_reason is not None:
        return f"no text: {transcript.empty_reason}"
    if transcript.engine.transcribed_as is not None:
        return f"the same sound as the file with SHA-256 {transcript.engine.transcribed_as}: its transcript was taken"
    return None


def _into_cache(store: Store, key: str, data: bytes) -> bytes:
    """Write a transcript into the cache; what another job wrote there at the same moment is as good."""
    try:
        store.write(key, data)
    except DigestMismatchError:
        return store.read_written(key)
    return data


def analyze_batch(store: Store, batch: Batch, run: TaskRun) -> int:
    """Analyse a batch; returns how many recordings have an analysis now."""
    engines = get_engines()

    def work(recording: Recording) -> StageFacts:
        made = kept.made_for(recording)
        data, ref = kept.read_artefact(store, recording, "transcript.json", made)
        decodes, decoded = decoded_again(store, batch, ref.sha256)
        digest = engines.analysis_digest() + ref.sha256[:16] + (decoded or "-")[:16] + _emotion_mark(batch)
        if not batch.fresh and kept.made_before(store, made.get("forensic.json"), digest):
            known, place = kept.read_artefact(store, recording, "forensic.json", made)
            before = forensic.load_analysis(known, name=place.uri)
            return analyze_facts(recording, before, place.sha256, decoded, batch.emotion, hit=True)
        transcript = stt.load_transcript(data, name=ref.uri)
        with kept.working_copy(store, recording) as path:
            analysis: forensic.Analysis = engines.analyze(
                transcript,
                path,
                name=recording.name,
                transcript_name=f"{recording.file_id}_transcript.json",
                transcript_sha256=ref.sha256,
                second_decodes=decodes,
                emotion=batch.emotion,
            )
        data = analysis.to_json().encode()
        sha256 = kept.save(store, recording, "forensic.json", data, digest, actor=run.actor)
        return analyze_facts(recording, analysis, sha256, decoded, batch.emotion, hit=False)

    return one_stage.each(store, batch, run, one_stage.ANALYZE, work, alone=partial(run_alone, batch, run, "analyze"))


def _emotion_mark(batch: Batch) -> str:
    """What a job's own wish adds to the digest of its analyses."""
    return "" if batch.emotion is None else f"-emotion-{'on' if batch.emotion else 'off'}"


def report_batch(store: Store, batch: Batch, run: TaskRun) -> int:
    """Render the reports, on all cores, and move everything finished to ``completed/``.

    Returns:
        How many recordings are completed.
    """
    engines = get_engines()
    workers = 1 if run.alone else min(get_settings().cpu_threads, len(batch.file_ids))
    with engines.renderer(workers) as renderer:

        def work(recording: Recording) -> StageFacts:
            made = kept.made_for(recording)
            transcript, source = kept.read_artefact(store, recording, "transcript.json", made)
            analysis, ref = kept.read_artefact(store, recording, "forensic.json", made)
            container, seen = container_of(store, recording, made)
            stated = state.intake_of(recording.job_id)
            digest = engines.report_digest() + ref.sha256[:16] + seen.get(CONTAINER, "-")[:16]
            digest += "" if stated is None else f"-{stated[1][:16]}"
            verified = {"original": recording.sha256, "original before": recording.sha256}
            kinds = report_kinds(made)
            rules = redaction_digest() if REDACTED[0] in kinds else ""
            digests = {kind: digest + rules[:16] if kind in REDACTED else digest for kind in kinds}
            hit = not batch.fresh and all(kept.made_before(store, made.get(kind), digests[kind]) for kind in kinds)
            kept.check_original(store, recording)
            original_at, files = now(), dict[str, bytes]()
            if not hit:
                row = state.recordings_of(recording.job_id, [recording.file_id])[recording.file_id]
                with kept.working_copy(store, recording) as path:
                    verified["working copy"] = recording.sha256
                    facts = report_facts(store, row, run, stated, original_at)
                    facts = facts.model_copy(update={"container": container})
                    files = renderer.render(
                        transcript, analysis, facts, audio=path, redacted=REDACTED[0] in kinds, player=PLAYER in kinds,
                        both=sum(kind.endswith("html") and kind != PLAYER for kind in kinds) > 1,
                    )  # fmt: skip
            kept.check_original(store, recording)
            new = kept.save_unread(store, recording, files, digests, run.actor)
            outputs = _complete(store, recording, [*(made | {one.kind: one for one in new}).values()], run)
            inputs = {"recording": recording.sha256, "transcript.json": source.sha256, "forensic.json": ref.sha256}
            return StageFacts(
                inputs=inputs | seen | ({} if stated is None else {"intake.json": stated[1]}),
                outputs={kind: outputs[kind] for kind in kinds},
                settings_digest=engines.report_digest(),
                parameters={
                    "kinds": list(kinds),
                    "versions": report.report_versions(),
                    "redaction_rules": rules or None,
                },
                cache_hit=hit,
                verified=verified,
            )

        alone = partial(run_alone, batch, run, "report")
        return one_stage.each(store, batch, run, one_stage.REPORT, work, alone=alone, workers=workers)


def _complete(store: Store, recording: Recording, made: Sequence[state.Artefact], run: TaskRun) -> dict[str, str]:
    """Move the artefacts from ``processing/`` to ``completed/`` and drop the working copy (the original stays).

    Returns:
        SHA-256 of the artefacts by kind.
    """
    done, moved = [layout.processing_key(recording.job_id, recording.name)], []
    for one in made:
        source = layout.processing_key(recording.job_id, f"{recording.file_id}_{one.kind}")
        done.append(source)
        target = layout.completed_key(recording.job_id, f"{recording.file_id}_{one.kind}")
        if store.key(one.ref.uri) != target:
            _copy_once(store, source, target, one.ref.sha256)
            moved.append(replace(one, ref=ArtefactRef(uri=store.uri(target), sha256=one.ref.sha256)))
    if moved:
        state.save_artefacts(recording, moved, run.actor)
    store.delete_all(done)
    return {one.kind: one.ref.sha256 for one in made}


def _copy_once(store: Store, source: str, target: str, sha256: str) -> None:
    """Copy an artefact, unless a try before this one had come this far."""
    try:
        store.copy(source, target, sha256=sha256)
    except MissingObjectError:
        if not store.exists(target) or store.sha256(target) != sha256:
            raise
