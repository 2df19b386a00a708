"""Alert rules: a question's figure against a threshold, evaluated by Grafana's backend.

Each rule is a table query (A) with at most one name and one number a row, reduced to its last value (B) and held
against the threshold (C): one alert a name. The thresholds are examples to set for one's own house.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spanledger_collector.grafana import spans
from spanledger_collector.grafana.panels import DATASOURCE, TABLE, target
from spanledger_collector.grafana.statement import for_alert
from spanledger_collector.query.library import find

_EXPRESSIONS = "__expr__"
"""Grafana's name for expressions on the server, as a data source."""
_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: what to ask over which time, and where it is too much (or, with ``below``, too little)."""

    uid: str
    title: str
    summary: str
    sql: str
    window_s: int
    threshold: float
    below: bool = False
    severity: str = "warning"


def rules() -> tuple[Rule, ...]:
    """All rules."""
    return (
        Rule(
            "spanledger-team-spend",
            "Spend of a team in a day",
            "A team spent more than its day's allowance in the last 24 hours.",
            _figure("spend_by_team", "toFloat64(coalesce(total_cost_usd, 0))", "cost_usd", label="team"),
            _DAY_S,
            100,
        ),
        Rule(
            "spanledger-agent-burst",
            "Spend of an agent in an hour",
            "An agent spent in one hour what should last for a day: a loop, or a model dearer than meant.",
            _figure("spend_by_agent", "toFloat64(coalesce(total_cost_usd, 0))", "cost_usd", label="agent"),
            _HOUR_S,
            25,
            severity="critical",
        ),
        Rule(
            "spanledger-calls-per-task",
            "Calls of a task",
            "An agent needs very many calls a task, tool executions included.",
            _figure("cost_per_task_by_agent", "toFloat64(coalesce(calls_per_task, 0))", "calls", label="agent"),
            _DAY_S,
            60,
        ),
        Rule(
            "spanledger-unpriced",
            "Calls without a price",
            "Costs are incomplete: calls of the last 24 hours have no price. The dashboard Unpriced says which.",
            _figure("spend_total", "toFloat64(unpriced_calls)", "unpriced_calls"),
            _DAY_S,
            0,
        ),
        Rule(
            "spanledger-silence",
            "No spans",
            "No span arrived for half an hour: are the emitters and the collector up?",
            spans.SILENCE,
            _HOUR_S // 2,
            1,
            below=True,
            severity="critical",
        ),
    )


def alerting() -> dict[str, Any]:
    """The provisioning file of all rules."""
    group = {
        "orgId": 1,
        "name": "spanledger",
        "folder": "spanledger",
        "interval": "1m",
        "rules": [_provisioned(rule) for rule in rules()],
    }
    return {"apiVersion": 1, "groups": [group]}


def _figure(name: str, expression: str, figure: str, *, label: str = "") -> str:
    columns = ", ".join(part for part in (label, f"{expression} AS {figure}") if part)
    return f"SELECT {columns}\nFROM (\n{for_alert(find(name))}\n)"


def _provisioned(rule: Rule) -> dict[str, Any]:
    window = {"from": rule.window_s, "to": 0}
    reduce = {**_expression("B", "reduce", "A"), "reducer": "last"}
    evaluator = {"type": "lt" if rule.below else "gt", "params": [rule.threshold]}
    threshold = {**_expression("C", "threshold", "B"), "conditions": [{"type": "query", "evaluator": evaluator}]}
    return {
        "uid": rule.uid,
        "title": rule.title,
        "condition": "C",
        "for": "0s",
        "noDataState": "OK",
        "execErrState": "Error",
        "labels": {"severity": rule.severity, "source": "spanledger"},
        "annotations": {"summary": rule.summary},
        "data": [
            {
                "refId": "A",
                "relativeTimeRange": window,
                "datasourceUid": DATASOURCE["uid"],
                "model": target(rule.sql, TABLE),
            },
            {"refId": "B", "relativeTimeRange": window, "datasourceUid": _EXPRESSIONS, "model": reduce},
            {"refId": "C", "relativeTimeRange": window, "datasourceUid": _EXPRESSIONS, "model": threshold},
        ],
    }


def _expression(identifier: str, kind: str, of: str) -> dict[str, Any]:
    return {
        "refId": identifier,
        "type": kind,
        "expression": of,
        "datasource": {"type": _EXPRESSIONS, "uid": _EXPRESSIONS},
    }
