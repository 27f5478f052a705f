"""Devices as a real ``nvidia-smi`` process names them, and leases held, killed and inherited by real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from include.errors import DeviceBusyError, SettingsError, ToolError
from include.local.airflow import _pools
from include.local.environment import stack_environment
from include.local.layout import Layout, StackState
from include.local.ports import DEFAULT_PORTS
from include.local.secrets import StackSecrets
from include.pipeline import gpu_pool, nvidia
from include.pipeline.devices import Slot, held_slots, hold, slots
from include.settings import ROOT
from include.state import Actor

A, B = "GPU-efc43c95-0de3-b799-7af5-82b47c003164", "GPU-3614ecad-aec1-adb7-529d-408ec5c172d5"
M1, M2 = "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", "MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb"
OLD = "MIG-GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77/9/0"

# copied from a machine with two H100 (driver 580), 2026-11-25
TWO = f"GPU 0: NVIDIA H100 80GB HBM3 (UUID: {A})\nGPU 1: NVIDIA H100 80GB HBM3 (UUID: {B})\n"
TWO_MEMORY = f"{A}, 81559\n{B}, 81559\n"
# NVIDIA's MIG user guide
CUT = (
    f"GPU 0: NVIDIA H100 80GB HBM3 (UUID: {A})\n"
    f"  MIG 3g.40gb     Device  0: (UUID: {M1})\n"
    f"  MIG 1g.10gb+me  Device  1: (UUID: {M2})\n"
    f"GPU 1: NVIDIA H100 80GB HBM3 (UUID: {B})\n"
)


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEMAN_LEASE_DIR", str(tmp_path / "leases"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("VOICEMAN_DEVICE", raising=False)


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts an ``nvidia-smi`` first on PATH that prints what it is told to."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def install(listed: str, memory: str = TWO_MEMORY, *, code: int = 0, sleep: float = 0) -> None:
        (folder / "list").write_text(listed)
        (folder / "memory").write_text(memory)
        script = folder / "nvidia-smi"
        script.write_text(
            f'#!/bin/sh\nsleep {sleep}\ncase "$*" in\n'
            f"-L) cat {folder}/list; exit {code};;\n"
            f'"--query-gpu=uuid,memory.total --format=csv,noheader,nounits") cat {folder}/memory; exit {code};;\n'
            "*) exit 2;;\nesac\n"
        )
        script.chmod(0o755)

    return install


def cpu() -> Slot:
    return Slot("cpu-0", "cpu", "CPU", os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def test_two_gpus(smi: Callable[..., None]) -> None:
    smi(TWO)
    assert slots() == [Slot(uuid, "gpu", "NVIDIA H100 80GB HBM3", 81559 << 20) for uuid in (A, B)]


def test_a_gpu_counts_as_its_mig_instances(smi: Callable[..., None]) -> None:
    smi(CUT)
    assert slots() == [
        Slot(M1, "mig", "NVIDIA H100 80GB HBM3 MIG 3g.40gb", 40 << 30),
        Slot(M2, "mig", "NVIDIA H100 80GB HBM3 MIG 1g.10gb+me", 10 << 30),
        Slot(B, "gpu", "NVIDIA H100 80GB HBM3", 81559 << 20),
    ]


def test_the_mig_names_of_drivers_before_470(smi: Callable[..., None]) -> None:
    smi(f"GPU 0: A100-SXM4-40GB (UUID: {A})\n  MIG 1c.3g.20gb Device  0: (UUID: {OLD})\n")
    assert [(one.id, one.memory_bytes) for one in slots()] == [(OLD, 20 << 30)]
    with hold(slots()) as held:
        assert os.environ["CUDA_VISIBLE_DEVICES"] == held.slot.id == OLD


@pytest.mark.parametrize(
    ("restriction", "expected"),
    [
        ("0", [M1, M2]),
        ("1", [B]),
        ("1,0", [B, M1, M2]),
        (f"{B}", [B]),
        ("GPU-3614", [B]),
        (f"{M2},{M2}", [M2]),
        (f" {M2} , 1", [M2, B]),
        (A, [M1, M2]),
        ("1,7,0", [B]),  # CUDA ignores what follows a name that is nobody's
        ("", ["cpu-0"]),
        ("-1", ["cpu-0"]),
        ("NoDevFiles", ["cpu-0"]),
    ],
)
def test_cuda_visible_devices_restricts(
    smi: Callable[..., None], monkeypatch: pytest.MonkeyPatch, restriction: str, expected: list[str]
) -> None:
    smi(CUT)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", restriction)
    assert [one.id for one in slots()] == expected


@pytest.mark.parametrize("memory", ["", f"{A}, [N/A]\n{B}, [N/A]\n", "what?\n"])
def test_memory_that_is_not_told_is_unknown(smi: Callable[..., None], memory: str) -> None:
    smi(TWO, memory)
    assert [one.memory_bytes for one in slots()] == [None, None]


def test_no_gpu_is_one_cpu_slot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no nvidia-smi anywhere
    assert slots() == [cpu()]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("No devices were found\n", 6),
        ("No devices found.\n", 0),
        ("", 0),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", 9),
    ],
)
def test_an_nvidia_smi_without_devices_is_one_cpu_slot(
    smi: Callable[..., None], caplog: pytest.LogCaptureFixture, said: str, code: int
) -> None:
    smi(said, code=code)
    assert slots() == [cpu()]
    assert ("couldn't communicate" in caplog.text) == (code == 9), "a broken driver is told"


def test_garbage_is_an_error_in_words(smi: Callable[..., None]) -> None:
    smi("GPU 0: NVIDIA H100 80GB HBM3 (UUID: nothing)\n")
    with pytest.raises(ToolError, match=r"can't be understood \('GPU 0: .*VOICEMAN_DEVICE=cpu"):
        slots()


def test_a_driver_that_hangs_is_an_error_in_words(smi: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    smi(TWO, sleep=5)
    monkeypatch.setattr(nvidia, "_TIMEOUT_S", 0.2)
    with pytest.raises(ToolError, match="driver hangs"):
        slots()


def test_the_setting_decides(smi: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    smi(TWO)
    monkeypatch.setenv("VOICEMAN_DEVICE", "cpu")
    assert slots() == [cpu()]


def test_cuda_without_a_gpu_is_an_error_in_words(
    smi: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VOICEMAN_DEVICE", "cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    smi(TWO)
    with pytest.raises(SettingsError, match="no GPU that nvidia-smi shows and CUDA_VISIBLE_DEVICES allows"):
        slots()


@pytest.mark.parametrize(("listed", "number"), [(TWO, 2), (CUT, 3), ("No devices found.\n", 1)])
def test_up_makes_the_pool_as_large_as_the_host(smi: Callable[..., None], listed: str, number: int) -> None:
    smi(listed)
    stack = StackState(ports=DEFAULT_PORTS)
    pools = json.loads(_pools(stack))
    file = json.loads((ROOT / "pools.json").read_text())
    assert pools == file | {
        "gpu": file["gpu"] | {"slots": number, "description": f"{file['gpu']['description']} ({number} found)"}
    }
    environment = stack_environment(Layout(Path("/nowhere")), stack, StackSecrets())
    assert int(environment["AIRFLOW__CORE__PARALLELISM"]) - number == 7, "room beside the transcriptions"


def test_the_pools_description_remembers_the_last_number_only() -> None:
    assert gpu_pool("Transcription", 2) == "Transcription (2 found)"
    assert gpu_pool(gpu_pool("Transcription", 2), 11) == "Transcription (11 found)"


# ---- leases, by real processes

TWO_SLOTS = [Slot("GPU-a", "gpu", "one", None), Slot("GPU-b", "gpu", "one", None)]

HOLDER = """
    import os, subprocess, sys, time
    from include.pipeline.devices import Slot, hold
    from include.state import Actor

    found = [Slot(name, "gpu", "one", None) for name in sys.argv[2].split(",")]
    print("asks", flush=True)
    with hold(found, Actor("run-1", 2, "process.transcribe[3]"), wait_s=float(sys.argv[3])) as held:
        child = 0
        if sys.argv[1] == "child":
            child = subprocess.Popen(["sleep", "60"], pass_fds=(held.fd,)).pid
        elif sys.argv[1] == "stranger":
            child = subprocess.Popen(["sleep", "60"], close_fds=False).pid
        elif sys.argv[1] == "fork":
            child = os.fork()
            if child == 0:
                os.execvp("sleep", ["sleep", "60"]) if len(sys.argv) > 4 else time.sleep(60)
                os._exit(0)
        print(held.slot.id, os.environ["CUDA_VISIBLE_DEVICES"], child, flush=True)
        sys.stdin.read()
"""


class Process:
    """Another process that holds a slot until its standard input is closed."""

    def __init__(self, mode: str, found: list[Slot], wait_s: float = 30) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(HOLDER), mode, ",".join(one.id for one in found), str(wait_s)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        self.child = 0
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "asks\n"

    def slot(self) -> str:
        """The slot it holds; waits until it has one."""
        assert self.process.stdout is not None
        held, visible, child = self.process.stdout.readline().split()
        assert held == visible
        self.child = int(child)
        return held

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """Its work ends in order; a child of it may live on."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(10) == 0

    def close(self) -> None:
        if self.child:
            os.kill(self.child, signal.SIGKILL)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


@pytest.fixture
def started() -> Iterator[Callable[..., Process]]:
    processes: list[Process] = []

    def start(*args: object, **kwargs: object) -> Process:
        processes.append(Process(*args, **kwargs))  # type: ignore[arg-type]
        return processes[-1]

    yield start
    for one in processes:
        one.close()


def test_an_orphan_holds_its_device_until_it_is_killed(
    started: Callable[..., Process], caplog: pytest.LogCaptureFixture
) -> None:
    orphan = started("alone", TWO_SLOTS[:1])
    assert orphan.slot() == "GPU-a"
    retry = started("alone", TWO_SLOTS[:1])
    asked = time.monotonic()
    with (
        pytest.raises(
            DeviceBusyError, match=rf"process {orphan.process.pid} \(process.transcribe\[3\], try 2, run run-1"
        ),
        hold(TWO_SLOTS[:1], wait_s=0.5),
    ):
        pytest.fail("two holders")
    assert 0.5 <= time.monotonic() - asked < 60
    assert f"Waiting for a device: GPU-a is held by process {orphan.process.pid}" in caplog.text
    assert retry.process.poll() is None
    killed = time.monotonic()
    orphan.kill()
    assert retry.slot() == "GPU-a"
    assert time.monotonic() - killed < 60
    assert held_slots(TWO_SLOTS).keys() == {"GPU-a"}
    holder = held_slots(TWO_SLOTS)["GPU-a"]
    assert holder is not None
    assert holder.pid == retry.process.pid


def test_two_slots_are_two_leases_and_the_third_waits(started: Callable[..., Process]) -> None:
    first, second = started("alone", TWO_SLOTS), started("alone", TWO_SLOTS)
    assert {first.slot(), second.slot()} == {"GPU-a", "GPU-b"}
    third = started("alone", TWO_SLOTS, wait_s=30)
    with pytest.raises(DeviceBusyError), hold(TWO_SLOTS, wait_s=0.6):
        pytest.fail("a third holder of two slots")
    second.end()
    assert third.slot() in ("GPU-a", "GPU-b")


def test_a_child_that_was_given_the_lease_keeps_it(started: Callable[..., Process]) -> None:
    parent = started("child", TWO_SLOTS[:1])
    parent.slot()
    parent.kill()
    with pytest.raises(DeviceBusyError), hold(TWO_SLOTS[:1], wait_s=0.6):
        pytest.fail("the child still works on it")
    os.kill(parent.child, signal.SIGKILL)
    parent.child = 0
    with hold(TWO_SLOTS[:1], wait_s=5) as held:
        assert held.slot == TWO_SLOTS[0]


def test_the_end_of_the_with_leaves_the_childs_lease(started: Callable[..., Process]) -> None:
    parent = started("child", TWO_SLOTS[:1])
    parent.slot()
    parent.end()
    assert list(held_slots(TWO_SLOTS)) == ["GPU-a"]


@pytest.mark.parametrize("mode", ["stranger", "fork"])
def test_other_processes_of_the_holder_do_not_keep_it(started: Callable[..., Process], mode: str) -> None:
    parent = started(mode, TWO_SLOTS[:1])
    parent.slot()
    assert list(held_slots(TWO_SLOTS)) == ["GPU-a"], "a fork must not take it from its parent, either"
    parent.kill()
    os.kill(parent.child, 0)  # it lives on ...
    with hold(TWO_SLOTS[:1], wait_s=2):  # ... without the lease
        pass


def test_never_two_holders_of_one(tmp_path: Path) -> None:
    script = """
        import fcntl, os, random, sys, time
        from include.pipeline.devices import Slot, hold

        found = [Slot(f"GPU-{number}", "gpu", "one", None) for number in "ab"]
        random.seed(int(sys.argv[2]))
        for turn in range(12):
            with hold(found, wait_s=60) as held, open(sys.argv[1], "a") as log:
                log.write(f"+ {held.slot.id} {os.getpid()}\\n"); log.flush()
                time.sleep(random.uniform(0, 0.01))
                if turn == 11 and sys.argv[2] == "0":
                    os.kill(os.getpid(), 9)
                log.write(f"- {held.slot.id} {os.getpid()}\\n")
    """
    log = tmp_path / "log"
    processes = [
        subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), str(log), str(seed)], cwd=ROOT)
        for seed in range(6)
    ]
    codes = [process.wait(timeout=120) for process in processes]
    assert sorted(codes) == [-9, 0, 0, 0, 0, 0]
    dead = str(processes[0].pid)
    holders: dict[str, str] = {}
    entries = [line.split() for line in log.read_text().splitlines()]
    for sign, slot, pid in entries:
        if sign == "+":
            assert holders.get(slot) in (None, dead), f"{slot} has two holders"
            holders[slot] = pid
        else:
            assert holders.pop(slot) == pid
    assert len(entries) == 6 * 12 * 2 - 1
    assert {slot for _, slot, _ in entries} == {"GPU-a", "GPU-b"}


def test_the_lock_file_says_who_has_it(tmp_path: Path) -> None:
    with hold(TWO_SLOTS[:1], Actor("수동__1", 1, "process.transcribe")):
        told = json.loads((tmp_path / "leases" / "GPU-a.lock").read_text())
        assert (tmp_path / "leases" / "GPU-a.lock").stat().st_mode & 0o077 == 0
    assert (told["pid"], told["run_id"], told["task"]) == (os.getpid(), "수동__1", "process.transcribe")
    assert held_slots(TWO_SLOTS) == {}


def test_the_variable_is_set_for_the_lease_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with hold(TWO_SLOTS[1:]):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-b"
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,0")
    with pytest.raises(RuntimeError, match="work"), hold(TWO_SLOTS[:1]):
        raise RuntimeError("work")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1,0"
    with hold([cpu()]):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "1,0", "a CPU slot changes nothing"


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "leases").write_text("a file")
    with pytest.raises(SettingsError, match=r"GPU-a.lock can't be opened \(.*VOICEMAN_LEASE_DIR"), hold(TWO_SLOTS):
        pytest.fail("no lock, no lease")
