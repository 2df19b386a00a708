"""The dashboards: which questions stand on which, and where."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from spanledger_collector.grafana import spans
from spanledger_collector.grafana.panels import DATASOURCE, TABLE, TIME_SERIES, TRACE, WIDTH, Panel, custom, panel_of
from spanledger_collector.query.library import load

SCHEMA_VERSION = 42
"""Of Grafana 13; later ones migrate it on load."""
_MONTH = "now-30d/d"
"""From midnight on: whole days are read from roll-ups."""
_PICKED = {
    "team": "SELECT DISTINCT team FROM calls WHERE team != '' ORDER BY team",
    "agent": "SELECT DISTINCT agent FROM calls WHERE agent != '' ORDER BY agent",
}
_TYPED = {"user": "User", "task": "Task", "model": "Model"}


def dashboards() -> dict[str, dict[str, Any]]:
    """Every dashboard as Grafana's JSON, by the stem of its file."""
    made = (
        _dashboard(
            "overview",
            "Overview",
            "What was spent, on what, by whom.",
            _asked("spend_total", height=7),
            _asked("spend_trend"),
            _asked("spend_by_team", width=12),
            _asked("spend_by_agent", width=12),
            _asked("spend_by_model", width=12),
            _asked("spend_by_user", width=12),
            _asked("spend_in_currency", height=6),
        ),
        _dashboard(
            "tasks",
            "Tasks",
            "What a task cost, call by call, and the spans of one trace.",
            _asked("cost_per_task", limit="200"),
            _asked("top_tasks"),
            _asked("task_timeline"),
            _asked("calls", limit="200", height=11),
            [
                custom(
                    "Trace",
                    "The spans of the trace whose id stands above; the trace ids of calls lead here.",
                    "traces",
                    spans.TRACE,
                    TRACE,
                    width=WIDTH,
                    height=16,
                )
            ],
            texts={**_TYPED, "trace": "Trace id"},
        ),
        _dashboard(
            "agents",
            "Agents",
            "What an agent's tasks cost, and on what it spends its calls.",
            _asked("cost_per_task_by_agent"),
            _asked("cost_distribution"),
            _asked("call_distribution", limit="200", height=12),
            _asked("tool_calls"),
            _asked("cache_hits"),
            _asked("latency"),
            _asked("errors"),
        ),
        _dashboard(
            "waste",
            "Waste",
            "Dollars that bought nothing, and the signs of it.",
            _asked("waste", limit="200", ids="0", height=12),
            _asked("cache_hits", width=12),
            _asked("tool_calls", width=12),
            _asked("call_distribution", limit="200", height=12),
        ),
        _dashboard(
            "unpriced",
            "Unpriced",
            "Calls that no cost includes, and why.",
            _asked("unpriced", height=12),
            _asked("price_rates", height=12),
            _asked("repricings"),
        ),
        _dashboard(
            "collector",
            "Collector health",
            "Who reports, how spans arrive, and what the tables hold.",
            [
                custom("Arrivals", "Spans stored.", "timeseries", spans.ARRIVING, TIME_SERIES, width=12, height=9),
                custom(
                    "Delay",
                    "Seconds from the end of a span to its row in the store.",
                    "timeseries",
                    spans.DELAY,
                    TIME_SERIES,
                    width=12,
                    height=9,
                ),
            ],
            _asked("emitters", height=10),
            [custom("Tables", "Rows and bytes on disk.", "table", spans.TABLES, TABLE, width=WIDTH, height=9)],
        ),
    )
    return {board["uid"].removeprefix("spanledger-"): board for board in made}


def _asked(name: str, *, width: int = WIDTH, height: int = 9, **fixed: str) -> list[Panel]:
    """The panel of a question, or none where this library does not have it."""
    return [panel_of(name, width=width, height=height, **fixed)] if name in load() else []


def _dashboard(
    key: str, title: str, description: str, *rows: Iterable[Panel], texts: dict[str, str] | None = None
) -> dict[str, Any]:
    return {
        "uid": f"spanledger-{key}",
        "title": f"spanledger: {title}",
        "description": description,
        "tags": ["spanledger"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": _MONTH, "to": "now"},
        "timezone": "utc",
        "links": [_navigation()],
        "templating": {"list": _variables(_TYPED if texts is None else texts)},
        "panels": _placed([panel for row in rows for panel in row]),
    }


def _navigation() -> dict[str, Any]:
    return {
        "type": "dashboards",
        "title": "spanledger",
        "tags": ["spanledger"],
        "icon": "external link",
        "tooltip": "",
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
    }


def _variables(texts: dict[str, str]) -> list[dict[str, Any]]:
    picked = [
        {
            "type": "query",
            "name": name,
            "label": name.capitalize(),
            "datasource": DATASOURCE,
            "query": sql,
            "refresh": 2,
            "multi": True,
            "includeAll": True,
            # Put into the statement as it stands: the empty string, which the questions read as all.
            "allValue": "''",
            "current": {"text": "All", "value": "$__all"},
        }
        for name, sql in _PICKED.items()
    ]
    typed = [
        {"type": "textbox", "name": name, "label": label, "query": "", "current": {"text": "", "value": ""}}
        for name, label in texts.items()
    ]
    return picked + typed


def _placed(panels: list[Panel]) -> list[dict[str, Any]]:
    placed = []
    x = y = row_height = 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > WIDTH:
            x, y, row_height = 0, y + row_height, 0
        grid = {"x": x, "y": y, "w": panel.width, "h": panel.height}
        placed.append({"id": number, **panel.body, "gridPos": grid})
        x, row_height = x + panel.width, max(row_height, panel.height)
    return placed
