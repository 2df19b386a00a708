"""Processes that fork: each has its own instance id, and no span is lost or sent twice."""

from __future__ import annotations

import pytest

FORK = """
import os, sys
import spanledger, spanledger.auto
from opentelemetry import trace

with spanledger.agent("sent before"):
    pass
trace.get_tracer_provider().force_flush()
with spanledger.agent("waiting"):
    pass
child = os.fork()
if not child:
    with spanledger.agent("in the child"):
        pass
    sys.exit(0)
os.waitpid(child, 0)
with spanledger.agent("in the parent"):
    pass
"""

EXPORT_BY_THREAD = """
import os, time
import spanledger, spanledger.auto
from opentelemetry import trace

child = os.fork()
if not child:
    with spanledger.agent("in the child"):
        pass
    exporter = trace.get_tracer_provider()._active_span_processor._span_processors[0]._exporter
    while exporter.has_unsent:
        time.sleep(0.01)
    os._exit(0)
os.waitpid(child, 0)
"""

CHILDREN = """
import sys
import spanledger, spanledger.auto

def work():
    with spanledger.agent("in the child"):
        pass

if __name__ == "__main__":
    import {maker}
    processes = {maker}.get_context({method!r})
    with spanledger.agent("in the parent"):
        child = processes.Process(target=work)
        child.start()
        child.join()
    sys.exit(child.exitcode)
"""


def test_a_fork_is_a_process_of_its_own(run_program, arrived):
    """Spans that were sent or wait at the fork leave once, by the parent; the child's have their own instance id."""
    done = run_program(FORK)
    assert (done.returncode, done.stderr) == (0, "")
    spans = {span.name.removeprefix("invoke_agent "): span.instance for span in arrived()}
    assert len(arrived()) == len(spans) == 4
    child = spans.pop("in the child")
    assert len(set(spans.values())) == 1
    assert child not in spans.values()


def test_the_exporter_lives_in_the_child(run_program, arrived):
    """A child that ends without any clean-up has sent its span by then, by a thread of its own."""
    done = run_program(EXPORT_BY_THREAD, OTEL_BSP_SCHEDULE_DELAY="20")
    assert (done.returncode, done.stderr) == (0, "")
    assert [span.name for span in arrived()] == ["invoke_agent in the child"]


def test_an_instance_id_of_the_environment_holds(run_program, arrived):
    """Where OTEL_RESOURCE_ATTRIBUTES names the instance, spans say that name."""
    run_program(FORK, OTEL_RESOURCE_ATTRIBUTES="service.instance.id=i-1")
    assert {span.instance for span in arrived() if span.name != "invoke_agent in the child"} == {"i-1"}


@pytest.mark.parametrize(
    ("maker", "method"),
    [
        ("multiprocessing", "fork"),
        ("multiprocessing", "spawn"),
        ("multiprocessing", "forkserver"),
        ("billiard", "fork"),
    ],
)
def test_children_send_their_last_spans(maker, method, run_program, arrived):
    """A child process that is started by a library sends its span before it ends, however it was made."""
    pytest.importorskip(maker)
    done = run_program(CHILDREN.format(maker=maker, method=method))
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(span.name for span in arrived()) == ["invoke_agent in the child", "invoke_agent in the parent"]
    assert len({span.instance for span in arrived()}) == 2
