"""What runs inside Ray Serve: models that stay loaded, and the answer to whether one is.

``build`` is the application's builder, which a RayService names: ``import_path: include.stt.service.app:build``.
Ray is imported here at the top: import this module inside functions only.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from ray import serve
from ray.serve._private.common import ReplicaState

from include.errors import InputError, ServiceError, VoiceManError
from include.settings import TEMPORARY, get_settings
from include.stt.service.again_wire import decode_asked, encode_answer, json_bytes
from include.stt.service.environment import stay_on_loopback
from include.stt.service.guard import Guard
from include.stt.service.model import ResidentModel
from include.stt.service.options import ServiceOptions
from include.stt.service.wire import (
    CONFIRM,
    ENGINE,
    HEALTH,
    NAME,
    OTHER,
    PASSAGES,
    PREFIX,
    RETRY_S,
    TRANSCRIBE,
    UNAVAILABLE,
    check_language,
    decode_name,
    encode_error,
)
from include.stt.weights import file_sha256

if TYPE_CHECKING:
    from ray.serve import Application

    from include.stt.service.again_wire import Asked

__all__ = ["APP", "HEALTH_APP", "build", "build_health"]

log = logging.getLogger("ray.serve")

APP = "voiceman-stt"
HEALTH_APP = "voiceman-stt-health"


def _gate(app: FastAPI) -> FastAPI:
    app.add_middleware(Guard, most_bytes=get_settings().stt_max_mb << 20, proxy=False)
    return app


def _routes() -> FastAPI:
    return _gate(FastAPI(docs_url=None, redoc_url=None, openapi_url=None))


def _json(status: int, body: bytes) -> Response:
    return Response(body, status, media_type="application/json")


def _unavailable() -> Response:
    told = ServiceError("No model is loaded: the service is starting or ending.")
    answer = _json(503, encode_error(told, UNAVAILABLE))
    answer.headers["Retry-After"] = str(RETRY_S)
    return answer


def _changed() -> Response:
    return _json(412, encode_error(ServiceError("The service's engine is another one by now.")))


def _failure(error: Exception) -> Response:
    """An error as its caller gets it. What is none of ours is logged without its message: it may quote speech."""
    if isinstance(error, _OtherError):
        return _json(422, encode_error(ServiceError(str(error)), OTHER))
    if isinstance(error, VoiceManError):
        return _json(503 if error.retryable else 422, encode_error(error))
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("A recording failed with %s:\n%s", type(error).__name__, frames)
    told = f"The service failed on the recording ({type(error).__name__}); see its log."
    return _json(500, encode_error(ServiceError(told)))


async def _receive(request: Request, path: Path, before: int = 0) -> bytes:
    """The body into a file, as it comes, but for its first bytes, which are returned.

    Raises:
        ServiceError: it ended early.
    """
    size = 0
    head = bytearray()
    with path.open("wb") as file:  # a few MB into the page cache
        async for piece in request.stream():
            size += len(piece)
            missing = before - len(head)
            head += piece[:missing] if missing > 0 else b""
            file.write(piece[missing:] if missing > 0 else piece)
    if size != int(request.headers.get("content-length", size)):
        raise ServiceError("The recording did not arrive whole; send it again.")
    return bytes(head)


def _same_second(asked: Asked) -> None:
    """Raises:
    ServiceError: the caller means another second model than this service's.
    """
    own = get_settings().confirm_model
    if asked.confirm_model != own:
        raise _OtherError(
            f"VOICEMAN_CONFIRM_MODEL is {own or 'none'!r} here, not {asked.confirm_model or 'none'!r}; set both alike."
        )


class _OtherError(ServiceError):
    """The caller means another engine."""


def _speech_class(options: ServiceOptions) -> Any:  # Serve's decorator is untyped
    routes = _routes()

    @serve.ingress(routes)
    class Speech:
        """A replica: one model on its share of a device."""

        def __init__(self) -> None:
            stay_on_loopback()
            self._model = ResidentModel(options)

        def check_health(self) -> None:
            self._model.check()

        @routes.get(ENGINE.removeprefix(PREFIX))
        async def engine(self) -> Response:
            return _json(200, self._model.engine.encode())

        @routes.post(TRANSCRIBE.removeprefix(PREFIX))
        async def transcribe(self, request: Request, language: str = "auto") -> Response:
            name = decode_name(request.headers.get(NAME, ""))
            if not self._is_meant(request):
                return _changed()
            try:
                check_language(language)
                with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=options.spool) as folder:
                    path = Path(folder) / "recording"
                    await _receive(request, path)
                    made = await self._model.transcribe(path, language, name)
                return _json(200, made.model_dump_json(by_alias=True).encode())
            except Exception as error:  # noqa: BLE001  # Serve would answer with the traceback, and log it
                return _failure(error)

        @routes.post(CONFIRM.removeprefix(PREFIX))
        async def confirm(self, request: Request) -> Response:
            name = decode_name(request.headers.get(NAME, ""))
            if not self._is_meant(request):
                return _changed()
            try:
                before = json_bytes(request.headers.get(PASSAGES, ""))
                with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=options.spool) as folder:
                    path = Path(folder) / "recording"
                    asked = decode_asked(await _receive(request, path, before))
                    _same_second(asked)
                    heard = await self._model.confirm(path, asked.passages, name)
                    return _json(200, encode_answer(await asyncio.to_thread(file_sha256, path), heard))
            except Exception as error:  # noqa: BLE001  # as above
                return _failure(error)

        def _is_meant(self, request: Request) -> bool:
            return request.headers.get("if-match", self._model.digest).strip('"') == self._model.digest

    return Speech


def _health_class() -> Any:
    routes = _routes()

    @serve.ingress(routes)
    class Health:
        """Ready when a replica has loaded its model; a deployment of its own, so that it never waits behind audio."""

        def __init__(self) -> None:
            stay_on_loopback()

        @routes.get(HEALTH)
        async def health(self) -> Response:
            status = await asyncio.to_thread(serve.status)
            found = status.applications.get(APP)
            running = 0
            if found is not None:
                running = sum(one.replica_states.get(ReplicaState.RUNNING, 0) for one in found.deployments.values())
            if not running:
                return _unavailable()
            return Response(f'{{"ready": true, "models": {running}}}', media_type="application/json")

        @routes.api_route(PREFIX + "/{rest:path}", methods=["GET", "POST"])
        async def away(self) -> Response:
            """Reached only while no application with models is there."""
            return _unavailable()

    return Health


def _actor_options(options: ServiceOptions, gpus: bool) -> dict[str, Any]:
    if gpus:
        return {"num_gpus": 1 / options.per_device, "num_cpus": options.threads or 1}
    return {"num_cpus": options.threads or 1}


def build(args: dict[str, Any]) -> Application:
    """The application with the models.

    Args:
        args: the fields of :class:`ServiceOptions` that differ from their defaults; ``replicas`` is needed.
    """
    options = ServiceOptions.model_validate(args)
    least = max(options.replicas, 1)
    most = max(options.max_replicas, least)
    scaling: dict[str, Any] = {"num_replicas": least}
    if most > least:
        scaling = {
            "num_replicas": None,
            "autoscaling_config": {
                "min_replicas": least,
                "max_replicas": most,
                "target_ongoing_requests": options.target_ongoing,
                "upscale_delay_s": 5.0,
                "downscale_delay_s": 300.0,
                "look_back_period_s": 10.0,
            },
        }
    from include.stt.engine import resolve_device

    deployment = serve.deployment(
        name="Speech",
        ray_actor_options=_actor_options(options, resolve_device() == "cuda"),
        max_ongoing_requests=options.at_once,
        max_queued_requests=options.queue,
        backpressure_config={"status_code": 503, "retry_after_s": RETRY_S},
        graceful_shutdown_timeout_s=options.drain_s,
        graceful_shutdown_wait_loop_s=0.5,
        health_check_period_s=5.0,
        health_check_timeout_s=30.0,
        max_constructor_retry_count=2,
        **scaling,
    )(_speech_class(options))
    application: Application = deployment.bind()
    return application


def build_health(args: dict[str, Any]) -> Application:
    """The application that tells whether a model is loaded; it takes no arguments."""
    if args:
        raise InputError(f"The health application takes no arguments, not {min(args)!r}.")
    deployment = serve.deployment(
        name="Health", num_replicas=1, ray_actor_options={"num_cpus": 0}, max_ongoing_requests=100,
        max_constructor_retry_count=2,
    )(_health_class())  # fmt: skip
    application: Application = deployment.bind()
    return application
