"""What ``nvidia-smi`` says about this host's devices: GPUs, and the MIG instances that a GPU is cut into.

Formats as printed by drivers 470 to 580; a MIG instance's memory is read from its profile's name (``1g.10gb``: NVIDIA's
MIG user guide, "MIG device names").
"""

from __future__ import annotations

import logging
import re
import subprocess
from dataclasses import dataclass

from include.errors import ToolError

__all__ = ["Gpu", "Slot", "find_devices", "visible"]

log = logging.getLogger(__name__)

_TIMEOUT_S = 30.0  # a driver that loads its firmware takes seconds; one that hangs, for ever
_GPU = re.compile(r"^GPU (\d+): (.+) \(UUID: (GPU-[0-9a-fA-F-]+)\)\s*$")
_MIG = re.compile(r"^\s+MIG (\S+)\s+Device\s+\d+: \(UUID: (MIG-[0-9A-Za-z/-]+)\)\s*$")
_PROFILE_GB = re.compile(r"\.(\d+)gb")
_NONE_FOUND = re.compile(r"no devices (were )?found", re.IGNORECASE)


@dataclass(frozen=True)
class Slot:
    """A device of this host that one transcription at a time may use."""

    id: str
    """UUID of a GPU or MIG instance; ``cpu-0``."""
    kind: str
    """``gpu``, ``mig`` or ``cpu``."""
    name: str
    """The device's product name, the same for all of its kind."""
    memory_bytes: int | None
    """None: the device does not tell."""


@dataclass(frozen=True)
class Gpu:
    """A GPU as ``nvidia-smi`` lists it."""

    index: int
    uuid: str
    slots: tuple[Slot, ...]
    """Its MIG instances; without any, itself."""


def find_devices() -> list[Gpu]:
    """The GPUs of this host, in ``nvidia-smi``'s order; none when it is missing, fails or finds none.

    Raises:
        ToolError: ``nvidia-smi`` hangs, or printed something that can't be understood.
    """
    listed = _run("-L")
    if listed is None:
        return []
    return _parse(listed, _memory())


def _run(*arguments: str) -> str | None:
    """What it printed; None when it isn't there, fails, or finds no device."""
    try:
        done = subprocess.run(
            ["nvidia-smi", *arguments], capture_output=True, check=False, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL
        )
    except OSError as error:
        log.debug("nvidia-smi can't be run (%s): no GPU.", error.strerror)
        return None
    except subprocess.TimeoutExpired as error:
        raise ToolError(
            f"nvidia-smi did not answer within {_TIMEOUT_S:.0f} s; the GPU driver hangs: restart this machine, or set "
            "VOICEMAN_DEVICE=cpu."
        ) from error
    out = done.stdout.decode(errors="replace")
    said = " ".join((out + done.stderr.decode(errors="replace")).split())
    if _NONE_FOUND.search(said):
        return None
    if done.returncode != 0:
        log.warning("nvidia-smi failed (code %d: %s): no GPU is used.", done.returncode, said[:200])
        return None
    return out


def _memory() -> dict[str, int]:
    """GPU UUID to bytes, for those that tell."""
    told = _run("--query-gpu=uuid,memory.total", "--format=csv,noheader,nounits") or ""
    found = {}
    for line in told.splitlines():
        uuid, _, mebibytes = line.partition(",")
        if mebibytes.strip().isdigit():
            found[uuid.strip()] = int(mebibytes) << 20
    return found


def _parse(listed: str, memory: dict[str, int]) -> list[Gpu]:
    gpus: list[tuple[int, str, str, list[Slot]]] = []
    for line in filter(str.strip, listed.splitlines()):
        if gpu := _GPU.match(line):
            gpus.append((int(gpu[1]), gpu[3], gpu[2], []))
        elif (instance := _MIG.match(line)) and gpus:
            profile, uuid = instance.groups()
            gigabytes = _PROFILE_GB.search(profile)
            size = int(gigabytes[1]) << 30 if gigabytes else None
            gpus[-1][3].append(Slot(uuid, "mig", f"{gpus[-1][2]} MIG {profile}", size))
        else:
            raise ToolError(
                f"nvidia-smi -L printed a line that can't be understood ({line.strip()[:80]!r}); mend the driver, or "
                "set VOICEMAN_DEVICE=cpu."
            )
    return [
        Gpu(index, uuid, tuple(instances) or (Slot(uuid, "gpu", name, memory.get(uuid)),))
        for index, uuid, name, instances in gpus
    ]


def visible(gpus: list[Gpu], restriction: str | None) -> list[Slot]:
    """The slots that ``CUDA_VISIBLE_DEVICES`` leaves, in its order; all when it is not set (None).

    As CUDA reads it: indices and UUIDs (or their first characters) separated by commas, and what follows the first one
    that names nothing is ignored. An index counts as ``nvidia-smi`` does (CUDA does so with
    ``CUDA_DEVICE_ORDER=PCI_BUS_ID``); a GPU stands for its MIG instances.
    """
    if restriction is None:
        return [slot for gpu in gpus for slot in gpu.slots]
    kept: dict[str, Slot] = {}
    for part in restriction.split(","):
        named = _named(gpus, part.strip())
        if not named:
            break
        kept |= {slot.id: slot for slot in named}
    return list(kept.values())


def _named(gpus: list[Gpu], part: str) -> list[Slot]:
    if part.isdigit():
        return [slot for gpu in gpus if gpu.index == int(part) for slot in gpu.slots]
    if part.startswith("GPU-"):
        return [slot for gpu in gpus if gpu.uuid.startswith(part) for slot in gpu.slots]
    if part.startswith("MIG-"):
        return [slot for gpu in gpus for slot in gpu.slots if slot.kind == "mig" and slot.id.startswith(part)]
    return []
