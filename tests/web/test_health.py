"""Readiness: what each part says, and a store that hangs does not make the probe hang."""

from __future__ import annotations

import threading
from typing import Any

from spanledger_collector.errors import StoreUnavailableError
from spanledger_collector.query.ports import Answer
from spanledger_collector.web.health import StoreProbe, state_of


def test_a_store_that_answers_or_refuses_is_told(store: Any) -> None:
    """The probe follows the store down and up again."""
    probe = StoreProbe(store)
    assert probe() == "ok"
    store.go_down()
    assert probe() == "unreachable"
    store.error = None
    assert probe() == "ok"


def test_a_store_that_hangs_is_slow_and_asked_once() -> None:
    """However often the probe is asked meanwhile, one question waits; afterwards the store is ok again."""
    may_answer = threading.Event()
    questions: list[str] = []

    class Hanging:
        def query(self, sql: str, parameters: dict[str, Any]) -> Answer:
            questions.append(sql)
            may_answer.wait(30)
            return Answer((), [])

    probe = StoreProbe(Hanging(), timeout_s=0.05)
    assert [probe() for _ in range(3)] == ["slow"] * 3
    assert len(questions) == 1
    may_answer.set()
    assert StoreProbe(Hanging(), timeout_s=30)() == "ok"


def test_one_part_that_is_not_ok_makes_the_whole_not_ready(store: Any) -> None:
    """``ready`` is the whole; each part says its own."""
    store.error = StoreUnavailableError("gone")
    assert state_of({"consumer": lambda: "ok", "store": StoreProbe(store)}) == {
        "ready": False, "consumer": "ok", "store": "unreachable",
    }  # fmt: skip
    assert state_of({"consumer": lambda: "ok"})["ready"] is True
