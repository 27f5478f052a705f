"""The resident speech service: run it here, end it, ask how it is."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

import typer

from include.cli.console import app, err, out

__all__ = ["down", "run", "status"]

serve = typer.Typer(help="The resident speech service (docs/service.md).", invoke_without_command=True)
app.add_typer(serve, name="serve")


@serve.callback()
def run(  # noqa: PLR0917
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: a free one.")] = 8700,
    model: Annotated[str | None, typer.Option(help="Whisper weights; VOICEMAN_WHISPER_MODEL without.")] = None,
    replicas: Annotated[int, typer.Option(help="Models loaded; 0: as many as the devices take.")] = 0,
    max_replicas: Annotated[int, typer.Option(help="Models at most, when recordings queue; 0: no more.")] = 0,
    per_device: Annotated[int, typer.Option(help="Models that share one GPU or MIG instance.")] = 1,
    threads: Annotated[int, typer.Option(help="CPU threads of a model; 0: cores by models.")] = 0,
    audio_s: Annotated[float, typer.Option(help="Seconds of audio that a model has under way at once.")] = 7200.0,
    at_once: Annotated[int, typer.Option(help="Recordings that one model is handed at once.")] = 16,
    queue: Annotated[int, typer.Option(help="Recordings that wait beyond that.")] = 64,
    drain_s: Annotated[float, typer.Option(help="Seconds to finish what is under way at the end.")] = 900.0,
    tls_cert: Annotated[str | None, typer.Option(help="Certificate chain (PEM); then HTTPS.")] = None,
    tls_key: Annotated[str | None, typer.Option(help="Its private key.")] = None,
) -> None:
    """Keep models loaded and transcribe for others, until SIGTERM (or Ctrl-C)."""
    if context.invoked_subcommand is not None:
        return
    from pydantic import ValidationError

    from include import pipeline, stt
    from include.errors import SettingsError

    try:
        options = stt.ServiceOptions(
            host=host, port=port, model=model, replicas=replicas, max_replicas=max_replicas, per_device=per_device,
            threads=threads, audio_s=audio_s, at_once=at_once, queue=queue, drain_s=drain_s,
            tls_cert=tls_cert, tls_key=tls_key,
        )  # fmt: skip
    except ValidationError as error:
        first = error.errors()[0]
        name = "-".join(str(part) for part in first["loc"]).replace("_", "-")
        raise SettingsError(f"--{name} is not valid: {first['msg']}; see ./voiceman serve --help.") from error
    with ExitStack() as held:
        devices = [slot for slot in pipeline.slots() if slot.kind != "cpu"]
        for slot in devices:  # so that no task of this host loads a model beside the service's
            held.enter_context(pipeline.hold([slot]))
        stt.serve(options, devices=[slot.id for slot in devices], ready=_say_ready)


def _say_ready(url: str) -> None:
    out.print(f"The speech service is ready: {url}", soft_wrap=True, highlight=False)


@serve.command()
def down() -> None:
    """End the service that runs here: it finishes what is under way first."""
    from include.stt import stop_service

    with err.status("Ending the speech service"):
        ended = stop_service()
    out.print("The speech service has ended." if ended else "No speech service runs here.")


@serve.command()
def status() -> None:
    """Say whether the service has a model loaded."""
    from include.stt import service_status

    found = service_status()
    out.print(f"{found['url']} is ready: {found['models']} models loaded.", soft_wrap=True, highlight=False)
