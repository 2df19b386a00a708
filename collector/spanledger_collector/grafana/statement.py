"""From a question of the library to the statement that Grafana's ClickHouse data source takes.

Dashboards bind times by macros and names by dashboard variables, as ``${name:singlequote}``: that form alone escapes
quotes, of one value or of many. Alert rules are evaluated without a dashboard, so that names are bound to the
question's defaults. The parameters mean the same in both: ``''`` is all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from spanledger_collector.query.library import Query

_TIMES = {"since": "$__fromTime_ms", "until": "$__toTime_ms"}
_PLACEHOLDER = re.compile(r"(?<!\$)\{(\w+):[^}]+\}")
_NUMBER = re.compile(r"U?Int\d+|Float\d+")


def for_dashboard(query: Query, variables: frozenset[str], fixed: Mapping[str, str] | None = None) -> str:
    """The statement with ``variables`` bound to those of the dashboard, the rest to ``fixed`` or to their defaults."""
    sql = query.sql
    for name in variables:
        value = f"(${{{name}:singlequote}})"
        sql = re.sub(rf"\{{{name}:String\}} = ''", f"'' IN {value}", sql)
        sql = re.sub(rf" = \{{{name}:String\}}", f" IN {value}", sql)
    return _bound(query, sql, fixed or {})


def for_alert(query: Query, fixed: Mapping[str, str] | None = None) -> str:
    """The statement with the macros that the backend knows, and no variable."""
    return _bound(query, query.sql, fixed or {})


def _bound(query: Query, sql: str, fixed: Mapping[str, str]) -> str:
    types = {parameter.name: parameter.type for parameter in query.parameters}
    texts = {parameter.name: parameter.default for parameter in query.parameters} | dict(fixed)

    def literal(match: re.Match[str]) -> str:
        name = match[1]
        if name in _TIMES:
            return _TIMES[name]
        return texts[name] if _NUMBER.fullmatch(types[name]) else quoted(texts[name])

    return _PLACEHOLDER.sub(literal, sql)


def quoted(text: str) -> str:
    """``text`` as a string of ClickHouse."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
