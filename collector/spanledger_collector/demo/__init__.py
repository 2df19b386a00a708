"""A demo without keys or costs: agents whose real SDK calls go to a stand-in provider on loopback.

``run_app(otlp_endpoint)`` runs the four agents (see ``agents``) in a process of their own and returns when
their spans are sent. ``StandInProvider`` is the provider alone: it answers as OpenAI and Anthropic do and
keeps a ledger of what it billed, with which tests compare ours.
"""

from spanledger_collector.demo.exchange import Failure, Reply, Request, ToolCall
from spanledger_collector.demo.launch import FIRST_TASK, TASKS_PER_AGENT, DemoFailedError, run_app
from spanledger_collector.demo.provider import ProviderCall, StandInProvider

__all__ = [
    "FIRST_TASK",
    "TASKS_PER_AGENT",
    "DemoFailedError",
    "Failure",
    "ProviderCall",
    "Reply",
    "Request",
    "StandInProvider",
    "ToolCall",
    "run_app",
]
