"""Every statement of every panel and alert, on the engine itself, its macros expanded as the data source does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from spanledger_collector.export.migrate import migrate
from spanledger_collector.export.store import Store, open_embedded
from spanledger_collector.grafana.alerts import rules
from spanledger_collector.grafana.dashboards import dashboards
from spanledger_collector.grafana.panels import DATASOURCE, VARIABLES
from spanledger_collector.query.library import Query, load
from spanledger_collector.query.run import bind

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
HOSTILE = "it's"
FROM = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
TO = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=5)
PICKED = {
    "all": dict.fromkeys(("team", "agent", "user", "task", "model"), "''"),
    "one": dict.fromkeys(("team", "agent", "user", "task", "model"), r"'it\'s'"),
    "several": dict.fromkeys(("team", "agent"), r"'it\'s','other'") | dict.fromkeys(("user", "task", "model"), "''"),
}
"""What ``${name:singlequote}`` becomes; for All it is the variable's allValue as it stands."""


def expanded(sql: str, variables: dict[str, str]) -> str:
    """The statement as ClickHouse gets it; macros and forms as in clickhouse-datasource 4.20."""
    start, end = int(FROM.timestamp()), int(TO.timestamp())
    for name, value in (variables | {"trace": f"'{TRACE_ID}'"}).items():
        sql = sql.replace(f"${{{name}:singlequote}}", value)
    sql = sql.replace("$__fromTime_ms", f"fromUnixTimestamp64Milli({start * 1000})")
    sql = sql.replace("$__toTime_ms", f"fromUnixTimestamp64Milli({end * 1000})")
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 >= toDateTime({start}) AND \1 <= toDateTime({end})", sql)
    return re.sub(r"\$__timeInterval\((\w+)\)", r"toStartOfInterval(toDateTime(\1), INTERVAL 60 second)", sql)


def panels() -> list[Any]:
    """All panels, with their dashboard and title as the test's name."""
    boards = dashboards().items()
    return [pytest.param(panel, id=f"{key} {panel['title']}") for key, board in boards for panel in board["panels"]]


def names_of(query: Query) -> set[str]:
    """The parameters of a question that are variables of the dashboards."""
    return {parameter.name for parameter in query.parameters} & VARIABLES


def narrowed_questions() -> list[Query]:
    """The questions on a dashboard that take the names of its variables."""
    titles = {panel["title"] for board in dashboards().values() for panel in board["panels"]}
    return [query for query in load().values() if query.title in titles and "team" in names_of(query)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A ledger with three calls: one that failed, one without a price, one of odd names; and a span of each."""
    opened = open_embedded(tmp_path_factory.mktemp("store"))
    migrate(opened)
    opened.command(
        "INSERT INTO calls (call_id, kind, trace_id, started_at, duration_ms, status, provider, operation,"
        " request_model, response_model, input_tokens, output_tokens, cost_usd, task, agent, team, user, version)"
        " SELECT toString(number), 'llm', {trace:String}, now64(9, 'UTC') - 60, 5,"
        " if(number = 0, 'error', 'ok'), 'openai', 'chat',"
        " if(number = 2, {hostile:String}, 'm'), 'm', 10, 5, if(number = 1, NULL, toDecimal64(0.5, 12)),"
        " if(number = 2, {hostile:String}, 'T-1'), if(number = 2, {hostile:String}, 'a'),"
        " if(number = 2, {hostile:String}, 't'), if(number = 2, {hostile:String}, 'u'), 1 FROM numbers(3)",
        {"trace": TRACE_ID, "hostile": HOSTILE},
    )
    opened.command(
        "INSERT INTO otel_traces (Timestamp, TraceId, SpanId, SpanName, ServiceName, SpanAttributes, Duration,"
        " StatusCode) SELECT now64(9) - 60, {trace:String}, toString(number), 'chat', 's', map('k', 'v'), 5000000,"
        " 'Error' FROM numbers(3)",
        {"trace": TRACE_ID},
    )
    yield opened
    opened.close()


@pytest.mark.parametrize("picked", PICKED)
@pytest.mark.parametrize("panel", panels())
def test_a_panel_runs(store: Store, panel: dict[str, Any], picked: str) -> None:
    """The engine takes the statement whatever is picked, and no macro, variable or placeholder is left in it."""
    (target,) = panel["targets"]
    sql = expanded(target["rawSql"], PICKED[picked])
    assert not re.search(r"\$__|\$\{|\{\w+:[A-Z]", sql), sql
    store.query(sql)


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "Pacific/Honolulu"])
@pytest.mark.parametrize("query", narrowed_questions(), ids=lambda query: query.name)
def test_a_server_of_another_time_zone_answers_the_same(store: Store, query: Query, zone: str) -> None:
    """Times that the data source names without a zone are taken in UTC, as days are."""
    boards = dashboards().values()
    panel = next(panel for board in boards for panel in board["panels"] if panel["title"] == query.title)
    sql = expanded(panel["targets"][0]["rawSql"], PICKED["all"])
    if not sql.startswith("SELECT parseDateTime"):
        assert store.query(f"{sql}\nSETTINGS session_timezone = '{zone}'").rows == store.query(sql).rows


def asked_variables() -> list[Any]:
    """The variables that ask for their choices, each once."""
    variables = [variable for board in dashboards().values() for variable in board["templating"]["list"]]
    return list({variable["name"]: variable for variable in variables if variable["type"] == "query"}.values())


@pytest.mark.parametrize("variable", asked_variables(), ids=lambda variable: variable["name"])
def test_a_variable_has_choices(store: Store, variable: dict[str, Any]) -> None:
    """The statement of a variable runs, and answers one name a row."""
    rows = store.query(expanded(variable["query"], {})).rows
    assert (HOSTILE,) in rows
    assert all(len(row) == 1 for row in rows)


def test_no_statement_is_left_out() -> None:
    """Each statement in the dashboards' JSON is one of a panel or a variable that the tests here run."""
    text = json.dumps(list(dashboards().values()))
    assert text.count('"rawSql"') == sum(len(panel.values[0]["targets"]) for panel in panels())
    assert {variable["name"] for variable in asked_variables()} == {"team", "agent"}


@pytest.mark.parametrize("query", narrowed_questions(), ids=lambda query: query.name)
def test_a_variable_picks_as_the_parameter_does(store: Store, query: Query) -> None:
    """A panel with names picked answers what the question answers with them; with All, what it answers of all."""
    boards = dashboards().values()
    titled = (panel for board in boards for panel in board["panels"] if panel["title"] == query.title)
    sql = next(titled)["targets"][0]["rawSql"]
    since = {"since": FROM.isoformat()}
    names = dict.fromkeys(names_of(query), HOSTILE)
    assert len(store.query(expanded(sql, PICKED["all"])).rows) == len(store.query(query.sql, bind(query, since)).rows)
    mine = store.query(query.sql, bind(query, since | names)).rows
    assert len(store.query(expanded(sql, PICKED["one"])).rows) == len(mine)
    if not sql.startswith("SELECT parseDateTime"):
        assert store.query(expanded(sql, PICKED["one"])).rows == mine


def test_names_with_quotes_pick_their_rows(store: Store) -> None:
    """Of three calls, the one of a team with a quote in its name is found by several names, and only that."""
    panel = next(panel for panel in dashboards()["overview"]["panels"] if panel["title"] == "Spend by team")
    sql = panel["targets"][0]["rawSql"]
    assert [row[0] for row in store.query(expanded(sql, PICKED["several"])).rows] == [HOSTILE]
    assert sorted(row[0] for row in store.query(expanded(sql, PICKED["all"])).rows) == [HOSTILE, "t"]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.uid)
def test_an_alert_runs_without_a_dashboard(store: Store, rule: Any) -> None:
    """The statement has backend macros only, and answers at most one name and one number a row, never null."""
    assert "${" not in rule.sql
    answer = store.query(expanded(rule.sql, {}))
    assert answer.rows
    for *names, number in answer.rows:
        assert len(names) <= 1
        assert all(isinstance(name, str) for name in names)
        assert isinstance(number, float)


def test_the_trace_view_has_the_frame_that_grafana_draws(store: Store) -> None:
    """Spans come under the names and in the units of the trace view: milliseconds, and 2 for an error."""
    panel = next(panel for panel in dashboards()["tasks"]["panels"] if panel["type"] == "traces")
    answer = store.query(expanded(panel["targets"][0]["rawSql"], {}))
    span = dict(zip(answer.columns, answer.rows[0], strict=True))
    assert len(answer.rows) == 3
    assert (span["traceID"], span["duration"], span["statusCode"]) == (TRACE_ID, 5.0, 2)
    assert span["tags"] == [{"key": "k", "value": "v"}]
    assert abs(span["startTime"] / 1000 - datetime.now(UTC).timestamp()) < 3600


def test_everything_asks_the_provisioned_data_source() -> None:
    """No panel and no variable asks another data source than the one provisioned."""
    asked = set(re.findall(r'"uid": "([^"]+)"', json.dumps([board["panels"] for board in dashboards().values()])))
    assert asked == {DATASOURCE["uid"]}
