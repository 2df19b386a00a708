"""How much memory a process may count on."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger_collector import machine_memory
from spanledger_collector.machine_memory import memory_bytes


def test_a_container_has_what_it_may_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit counts where it is below what the machine has; without one, or a number, the machine counts."""
    machine = memory_bytes()
    (tmp_path / "none").write_text("max\n")
    monkeypatch.setattr(machine_memory, "_CGROUP_LIMITS", (tmp_path / "none", tmp_path / "missing"))
    assert memory_bytes() >= machine
    (tmp_path / "some").write_text(f"{machine // 2}\n")
    monkeypatch.setattr(machine_memory, "_CGROUP_LIMITS", (tmp_path / "none", tmp_path / "some"))
    assert memory_bytes() == machine // 2
