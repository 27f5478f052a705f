"""Start the service on this machine, keep it, drain it, end all its processes."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import signal
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psutil

from include.errors import StackError
from include.settings import get_settings
from include.stt.engine import resolve_device
from include.stt.facts import engine_info
from include.stt.service.control import state_of
from include.stt.service.environment import MARK, Folders, prepare_environment
from include.stt.service.guard import check_token
from include.stt.service.wire import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from include.stt.service.options import ServiceOptions

__all__ = ["serve"]

log = logging.getLogger(__name__)

_STORE_BYTES = 100 << 20  # Ray's object store: nothing large goes through it here
_GRACE_S = 10.0


def serve(options: ServiceOptions, *, devices: Sequence[str] = (), ready: Callable[[str], None] | None = None) -> None:
    """Run a service until SIGTERM or SIGINT, then let it finish what is under way.

    Call it from the main thread of a process that has not imported Ray yet.

    Args:
        options: how it is set up.
        devices: GPUs or MIG instances (UUIDs) that it may use; all that are visible when empty.
        ready: called with the service's address once a model is loaded.

    Raises:
        SettingsError: there is no token.
        ModelError: weights are missing or can't be loaded.
        StackError: it runs already for this ``VOICEMAN_HOME``, or can't start.
    """
    check_token()
    engine_info(options.model)  # weights are there and are what they should be
    asked = _AskedToEnd()
    asked.listen()
    folders = Folders.current()
    with _only_one(folders):
        folders.clean()
        mark = prepare_environment(devices)
        chosen = _filled(options, len(devices)).model_copy(update={"spool": options.spool or str(folders.spool)})
        try:
            url = _start(chosen, folders, len(devices), mark, asked)
            asked.starting = False
            folders.state.write_text(state_of(url))
            if ready is not None:
                ready(url)
            asked.event.wait()
            _drain(options.drain_s)
        except KeyboardInterrupt:
            log.warning("The speech service was asked to end before it was ready.")
        finally:
            folders.state.unlink(missing_ok=True)
            _shutdown(mark)
            shutil.rmtree(folders.spool, ignore_errors=True)


class _AskedToEnd:
    """SIGTERM and SIGINT: while the service starts they break that off, later they let it drain."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.starting = True

    def listen(self) -> None:
        """Again after Ray's start, which puts a handler of its own there."""
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, self._take)

    def _take(self, *_: object) -> None:
        self.event.set()
        if self.starting:
            raise KeyboardInterrupt


@contextmanager
def _only_one(folders: Folders) -> Iterator[None]:
    folders.create_home()
    with folders.lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(
                f"A speech service of {folders.home.parent} runs already; end it with ./voiceman serve down."
            ) from error
        yield


def _filled(options: ServiceOptions, devices: int) -> ServiceOptions:
    """Replicas and threads by what this machine has, where they were left open."""
    settings = get_settings()
    cuda = resolve_device() == "cuda"
    most = (
        max(devices, _visible_gpus()) * options.per_device if cuda else min(settings.cpu_threads, settings.cpu_replicas)
    )
    replicas = options.replicas or max(most, 1)
    threads = options.threads or max(settings.cpu_threads // max(replicas, options.max_replicas), 1)
    return options.model_copy(update={"replicas": replicas, "threads": threads})


def _visible_gpus() -> int:
    import ctranslate2

    return int(ctranslate2.get_cuda_device_count())


def _start(options: ServiceOptions, folders: Folders, devices: int, mark: str, asked: _AskedToEnd) -> str:
    from ray import serve as ray_serve

    from include.stt.service.app import APP, HEALTH_APP, build, build_health

    port = options.port or _free_port(options.host)
    cores = max(os.cpu_count() or 1, max(options.replicas, options.max_replicas) * options.threads)
    http: dict[str, Any] = {"host": options.host, "port": port, "request_timeout_s": options.work_limit_s}
    if options.tls_cert:
        http |= {"ssl_certfile": options.tls_cert, "ssl_keyfile": options.tls_key}
    try:
        _start_ray(folders, cores, devices, mark)
        asked.listen()
        _patiently(lambda: ray_serve.start(proxy_location="HeadOnly", http_options=http))
        _patiently(lambda: ray_serve.run(build_health({}), name=HEALTH_APP, route_prefix="/"))
        _patiently(lambda: ray_serve.run(build(options.model_dump()), name=APP, route_prefix=PREFIX))
    except Exception as error:  # Ray raises bare ones, too
        raise StackError(
            f"The speech service can't start ({type(error).__name__}: {str(error)[:300]}); see {folders.ray}."
        ) from error
    return f"{'https' if options.tls_cert else 'http'}://{options.host}:{port}"


def _start_ray(folders: Folders, cores: int, devices: int, mark: str) -> None:
    import ray

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    _trim()
    for more in (True, True, False):
        try:
            ray.init(
                address="local", num_cpus=cores, num_gpus=devices or None, include_dashboard=False,
                object_store_memory=_STORE_BYTES, logging_level=logging.WARNING, log_to_driver=False,
                _temp_dir=str(folders.ray), _node_ip_address="127.0.0.1",
            )  # fmt: skip
            return
        except Exception as error:  # it is a bare one when the node takes more than 30 s, as on a busy machine
            if not more:
                raise
            log.warning("Ray has not started (%s); tried again.", type(error).__name__)
            ray.shutdown()
            _end_processes(mark)


def _patiently(step: Callable[[], object]) -> None:
    """Ray Serve waits 60 s for its proxy, which a machine that is busy with other things can take longer to start."""
    for more in (True, True, True, False):
        try:
            step()
            return
        except TimeoutError:
            if not more:
                raise


def _trim() -> None:
    """Leave out Ray's cluster autoscaler and its dashboard, which start even when they are not wanted.

    One machine has nothing to scale, and what is left of a dashboard that is off collects usage statistics; both would
    open a port whose HTTP routes ask for no token. Ray 2.60 has no option for it.
    """
    from ray._private.node import Node

    def without(*_: object, **__: object) -> None:
        pass

    Node.start_monitor = without  # type: ignore[method-assign]
    Node.start_api_server = without  # type: ignore[method-assign]


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _drain(limit_s: float) -> None:
    """New recordings are answered with 503 from now on; those under way are finished."""
    from ray import serve as ray_serve

    from include.stt.service.app import APP

    log.warning(
        "The speech service ends: it takes nothing new and finishes what is under way (at most %.0f s).", limit_s
    )
    ray_serve.delete(APP)  # waits until the replicas have finished, or their limit is over


def _shutdown(mark: str) -> None:
    """End Serve and Ray, and whatever process of theirs is left."""
    import ray
    from ray import serve as ray_serve

    if ray.is_initialized():
        with suppress(RuntimeError, ray.exceptions.RayError):  # half started: the processes are ended below
            ray_serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()
    _end_processes(mark)


def _end_processes(mark: str) -> None:
    left = _processes(mark)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(left, timeout=_GRACE_S)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=_GRACE_S)


def _processes(mark: str) -> list[psutil.Process]:
    """Processes that carry the service's mark, but for this one and those above it."""
    spared = {os.getpid(), *(one.pid for one in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid not in spared and process.environ().get(MARK) == mark:
                found.append(process)
    return found
