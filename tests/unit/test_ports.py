"""Ports of a local stack: two that start in the same second get different ones."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from include.errors import StackError
from include.local.ports import DEFAULT_PORTS, choose_ports, ports_reserved
from include.settings import ROOT

_STARTER = textwrap.dedent(
    """
    import socket, sys
    from include.local.ports import HOST, choose_ports, ports_reserved
    with ports_reserved():
        port = choose_ports({})["ui"]
        print("chosen", flush=True)
        sys.stdin.readline()
        server = socket.create_server((HOST, port))
    print(port, flush=True)
    sys.stdin.readline()
    """
)


def _starter() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _STARTER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_two_stacks_that_start_together_choose_different_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second chooses when the first one listens, not before."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    first = _starter()
    assert _said(first) == "chosen"
    second = _starter()
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            second.wait(1.5)
        _go_on(first)
        port = _said(first)
        assert _said(second) == "chosen"
        _go_on(second)
        assert _said(second) != port
    finally:
        for process in (first, second):
            process.communicate("\n", timeout=10)


def test_a_lock_that_is_a_link_is_refused_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"voiceman-ports-{os.getuid()}.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StackError, match=r"voiceman-ports-\d+\.lock can't be opened .*; remove it"), ports_reserved():
        pytest.fail("reserved")
    assert not (tmp_path / "elsewhere").exists()


def test_each_name_has_a_port_of_its_own() -> None:
    with ports_reserved():
        chosen = choose_ports({})
    assert chosen.keys() == DEFAULT_PORTS.keys()
    assert len(set(chosen.values())) == len(DEFAULT_PORTS)
