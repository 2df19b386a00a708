"""The demo's app: agents on a stand-in provider, traced by the one import.

``python -m spanledger_collector.demo.app --otlp-endpoint http://127.0.0.1:4318``
"""

from __future__ import annotations

import argparse
import os
import sys

from spanledger_collector.demo import brain
from spanledger_collector.demo.launch import (
    FIRST_TASK,
    TASKS_PER_AGENT,
    TOKEN_VARIABLE,
    DemoFailedError,
    require_sdks,
)
from spanledger_collector.demo.provider import StandInProvider

SERVICE_NAME = "spanledger-demo"
FLUSH_TIMEOUT_MS = 15_000


def run_demo(
    otlp_endpoint: str,
    provider: StandInProvider,
    tasks_per_agent: int = TASKS_PER_AGENT,
    first_task: int = FIRST_TASK,
) -> None:
    """Trace this process, let the agents work against ``provider``, and send the spans to ``otlp_endpoint``.

    It settles what the process sends and where for good: call it once in a process that does nothing else.

    Raises:
        DemoFailedError: an SDK is missing, or the spans were not sent in time.
    """
    require_sdks()
    _settle_environment(otlp_endpoint)

    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    import spanledger.auto  # noqa: F401 - it reads the environment, and comes before what it traces
    from spanledger_collector.demo.agents import run_agents

    run_agents(provider, tasks_per_agent, first_task)
    tracer_provider = trace.get_tracer_provider()
    if isinstance(tracer_provider, TracerProvider) and not tracer_provider.force_flush(FLUSH_TIMEOUT_MS):
        raise DemoFailedError(f"the spans did not reach {otlp_endpoint} in {FLUSH_TIMEOUT_MS / 1000:.0f} s")


def main() -> None:
    """Parse the command line, run the demo, and end with 1 and a line on stderr where it fails."""
    parser = argparse.ArgumentParser(description="agents on a stand-in provider, traced by spanledger.auto")
    parser.add_argument("--otlp-endpoint", required=True, help="OTLP/HTTP base address of the collector")
    parser.add_argument("--tasks-per-agent", type=int, default=TASKS_PER_AGENT)
    parser.add_argument("--first-task", type=int, default=FIRST_TASK)
    arguments = parser.parse_args()
    try:
        with StandInProvider(brain.think) as provider:
            run_demo(arguments.otlp_endpoint, provider, arguments.tasks_per_agent, arguments.first_task)
    except DemoFailedError as failure:
        sys.exit(str(failure))


def _settle_environment(otlp_endpoint: str) -> None:
    # A user's own settings would send the demo's spans, or its calls, to real systems.
    for name in list(os.environ):
        if name.startswith(("OTEL_", "OPENAI_", "ANTHROPIC_")):
            del os.environ[name]
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = otlp_endpoint
    if token := os.environ.get(TOKEN_VARIABLE):
        os.environ["OTEL_EXPORTER_OTLP_HEADERS"] = f"authorization=Bearer%20{token}"
    os.environ["OTEL_SERVICE_NAME"] = SERVICE_NAME
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"


if __name__ == "__main__":
    main()
