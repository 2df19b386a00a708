"""Panels: the answer of one question each, drawn as its header hints, units and links taken from its columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spanledger_collector.grafana.statement import for_dashboard
from spanledger_collector.query.library import Column, Query, find

DATASOURCE = {"type": "grafana-clickhouse-datasource", "uid": "clickhouse"}
VARIABLES = frozenset({"team", "agent", "user", "task", "model"})
"""Parameters of questions that are variables of each dashboard."""
TIME_SERIES, TABLE, TRACE = 0, 1, 3
"""Formats of the data source."""
WIDTH = 24
"""Columns of Grafana's grid."""
_QUERY_TYPES = {TIME_SERIES: "timeseries", TABLE: "table", TRACE: "traces"}
_UNITS = {"USD": "currencyUSD", "ms": "ms", "share": "percentunit", "tokens": "short"}
_LINKS = {
    "agent": "/d/spanledger-agents?var-agent=${__value.raw:percentencode}&${__url_time_range}",
    "task": "/d/spanledger-tasks?var-task=${__value.raw:percentencode}&${__url_time_range}",
    "team": "/d/spanledger-overview?var-team=${__value.raw:percentencode}&${__url_time_range}",
    "trace_id": "/d/spanledger-tasks?var-trace=${__value.raw:percentencode}&${__url_time_range}",
}


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel without its place: what Grafana needs of it, and the cells of the grid that it takes."""

    body: Mapping[str, Any]
    width: int
    height: int


def panel_of(name: str, *, width: int = WIDTH, height: int = 9, **fixed: str) -> Panel:
    """The question ``name``; ``fixed`` are parameters that the panel does not leave open."""
    query = find(name)
    categories = {column.name: column for column in query.columns}
    if query.chart.kind == "figure":
        return _figures(query, fixed, width, height)
    if query.chart.category and categories[query.chart.category].unit == "time":
        return _course(query, fixed, width, height)
    return _table(query, fixed, width, height)


def custom(title: str, description: str, kind: str, sql: str, form: int, *, width: int, height: int) -> Panel:
    """A panel on a statement that is no question of the ledger, such as the spans of a trace."""
    body = {**_head(kind, title, description), "targets": [target(sql, form)]}
    return Panel({**body, "fieldConfig": {"defaults": {}, "overrides": []}, "options": {}}, width, height)


def target(sql: str, form: int) -> dict[str, Any]:
    """A query as the data source takes it."""
    return {
        "refId": "A",
        "datasource": DATASOURCE,
        "editorType": "sql",
        "queryType": _QUERY_TYPES[form],
        "format": form,
        "rawSql": sql,
    }


def _head(kind: str, title: str, description: str) -> dict[str, Any]:
    return {"type": kind, "title": title, "description": description, "datasource": DATASOURCE}


def _figures(query: Query, fixed: Mapping[str, str], width: int, height: int) -> Panel:
    body = {
        **_head("stat", query.title, query.purpose),
        "targets": [target(for_dashboard(query, VARIABLES, fixed), TABLE)],
        "fieldConfig": {"defaults": {"noValue": "unknown"}, "overrides": _overrides(query)},
        "options": {
            "colorMode": "none",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "textMode": "value_and_name",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": f"/^({'|'.join(query.table)})$/", "values": False},
        },
    }
    return Panel(body, width, height)


def _course(query: Query, fixed: Mapping[str, str], width: int, height: int) -> Panel:
    inner = for_dashboard(query, VARIABLES, fixed)
    value = query.chart.value
    sql = (
        f"SELECT parseDateTimeBestEffort(toString({query.chart.category})) AS time, toFloat64({value}) AS {value}\n"
        f"FROM (\n{inner}\n)\nORDER BY time"
    )
    body = {
        **_head("timeseries", query.title, query.purpose),
        "targets": [target(sql, TIME_SERIES)],
        "fieldConfig": {
            "defaults": {"custom": {"drawStyle": "bars", "fillOpacity": 60, "lineWidth": 1}},
            "overrides": _overrides(query),
        },
        "options": {"legend": {"calcs": ["sum"], "displayMode": "list", "placement": "bottom", "showLegend": True}},
    }
    return Panel(body, width, height)


def _table(query: Query, fixed: Mapping[str, str], width: int, height: int) -> Panel:
    shown = _shown(query)
    hidden = {column.name: True for column in query.columns if column.name not in shown}
    order = {name: place for place, name in enumerate(shown)}
    body = {
        **_head("table", query.title, query.purpose),
        "targets": [target(for_dashboard(query, VARIABLES, fixed), TABLE)],
        "transformations": [{"id": "organize", "options": {"excludeByName": hidden, "indexByName": order}}],
        "fieldConfig": {"defaults": {"custom": {"filterable": True}}, "overrides": _overrides(query)},
        "options": {"cellHeight": "sm", "showHeader": True},
    }
    return Panel(body, width, height)


def _shown(query: Query) -> tuple[str, ...]:
    """The columns of the table form, and the trace, by which a cell leads to its spans."""
    return query.table + tuple(column.name for column in query.columns if column.name == "trace_id")


def _overrides(query: Query) -> list[dict[str, Any]]:
    return [
        {"matcher": {"id": "byName", "options": column.name}, "properties": properties}
        for column in query.columns
        if column.name in _shown(query) and (properties := _properties(column, query))
    ]


def _properties(column: Column, query: Query) -> list[dict[str, Any]]:
    properties: list[dict[str, Any]] = []
    if unit := _UNITS.get(column.unit):
        properties.append({"id": "unit", "value": unit})
    if column.name == query.chart.value and query.chart.kind in ("bar", "stack"):
        properties.append({"id": "custom.cellOptions", "value": {"type": "gauge", "mode": "basic"}})
        properties.append({"id": "color", "value": {"mode": "fixed", "fixedColor": "blue"}})
        properties.append({"id": "min", "value": 0})
    if link := _LINKS.get(column.name):
        properties.append({"id": "links", "value": [{"title": f"This {column.name.removesuffix('_id')}", "url": link}]})
    return properties
