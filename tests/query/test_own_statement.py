"""Statements of one's own: what reads the ledger runs, what reaches beside it does not, however it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from spanledger_collector.errors import SpanledgerError
from spanledger_collector.export.store import Store
from spanledger_collector.query.own_statement import TABLE_FUNCTIONS, check_own

READS = [
    "SELECT 1",
    "select task, sum(cost_usd) from calls final group by all -- in small letters",
    "/* first */ WITH x AS (SELECT * FROM calls FINAL) SELECT agent, count() FROM x GROUP BY 1 ORDER BY 2 LIMIT 3;",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT * FROM t",
    "SELECT c.task FROM spanledger.calls AS c JOIN otel_traces AS t ON c.trace_id = t.TraceId",
    "SELECT quantiles(0.5)(duration_ms), sumIf(cost_usd, kind = 'llm'), count() FILTER (WHERE true) FROM calls",
    "SELECT row_number() OVER (PARTITION BY task ORDER BY started_at), * EXCEPT (version) FROM calls",
    "SELECT arrayMap(x -> x + 1, [1]), CASE WHEN 1 THEN 'file(x)' END, now() - INTERVAL 1 DAY, 1::Float64",
    "SELECT sum(number) FROM numbers(3) GROUP BY GROUPING SETS ((number), ())",
    "SELECT sum(rows) FROM system.parts UNION ALL (SELECT 1 INTERSECT SELECT 1)",
    "EXPLAIN indexes = 1 SELECT * FROM calls",
    "DESCRIBE calls",
    "SHOW TABLES",
    "SHOW CREATE TABLE calls",
]
REACHES = {
    "SELECT file('{here}')": "file()",
    "SELECT file('{here}') AS `a\n b`": "parts cannot be checked",
    "SELECT/* */`fi\\x6ce`('{here}')": "file()",
    "SELECT (SELECT (SELECT file('{here}')))": "file()",
    "SELECT 1 UNION ALL SELECT length(file('{here}'))": "file()",
    "WITH file('{here}') AS a SELECT a": "file()",
    "SELECT arrayMap(file, ['{here}'])": "file()",
    "SELECT arrayMap(x -> file(x), ['{here}'])": "file()",
    "SELECT * APPLY (file) FROM (SELECT '{here}')": "APPLY",
    "SELECT * APPLY (x -> file(x)) FROM (SELECT '{here}')": "APPLY",
    "SELECT * REPLACE (file(a) AS a) FROM (SELECT '{here}' AS a)": "file()",
    "SELECT 1 ORDER BY file('{here}') LIMIT 1": "file()",
    "SELECT sum(1) OVER w FROM calls WINDOW w AS (PARTITION BY file('{here}'))": "file()",
    "EXPLAIN SELECT file('{here}')": "file()",
    "DESCRIBE (SELECT file('{here}'))": "file()",
    "DESCRIBE TABLE file('{here}', 'LineAsString')": "file() is no source",
    "SELECT * FROM file('{here}', 'LineAsString')": "file() is no source",
    "SELECT 1 IN file('{here}', 'LineAsString')": "file()",
    "SELECT 1 IN s3('http://127.0.0.1/x')": "s3()",
    "SELECT * FROM view(SELECT * FROM url('http://127.0.0.1/x'))": "url() is no source",
    "WITH a AS (SELECT * FROM s3('http://127.0.0.1/x')) SELECT * FROM a": "s3() is no source",
    "SELECT * FROM eval('SELECT 1')": "eval() is no source",
    "SELECT * FROM merge('default', '.*')": "merge() is no source",
    "SELECT * FROM executable('x', 'CSV', 'a String')": "executable() is no source",
    "SELECT * FROM remote('127.0.0.1', system.one)": "remote() is no source",
    "SELECT * FROM default.`{here}`": "is not read here",
    "SELECT * FROM `de\\x66ault`.`{here}`": "is not read here",
    "SELECT 'a' IN default.`{here}`": "is not read here",
    "SELECT * FROM `{here}`": "Unknown table",
    "SELECT * FROM system.settings": "system.settings is not read",
    "SELECT * FROM information_schema.tables": "is not read here",
    "SELECT joinGet('default.x', 'a', 'b')": "joinGet()",
    "SELECT dictGet('a', 'b', 1)": "dictGet()",
    "SELECT aiGenerate('x')": "aiGenerate()",
    "SELECT 1 INTO OUTFILE '{here}'": "redirect",
    "SELECT 1 INTO/**/outfile '{here}'": "redirect",
    "SELECT 1; SELECT file('{here}')": "one statement at a time",
    "SELECT 1;;DROP TABLE calls": "one statement at a time",
    "SELECT 1 SETTINGS readonly = 0": "leave out SETTINGS",
    "SELECT 1 FORMAT CSV": "--format",
    "SHOW TABLES FROM default": "is not read here",
    "SHOW CREATE TABLE default.x": "is not read here",
    "SHOW COLUMNS FROM x FROM default": "only statements that read",
    "EXISTS TABLE default.`{here}`": "only statements that read",
    "SET readonly = 0": "only statements that read",
    "USE default": "only statements that read",
    "KILL QUERY WHERE 1": "only statements that read",
    "SYSTEM SHUTDOWN": "only statements that read",
    "DROP TABLE calls": "only statements that read",
    "INSERT INTO FUNCTION file('{here}') SELECT 1": "only statements that read",
    "CREATE VIEW v AS SELECT file('{here}')": "only statements that read",
    "BACKUP TABLE calls TO File('{here}')": "only statements that read",
    " ;": "there is no statement",
    "SELECT FROM WHERE": "refused a statement",
}


@pytest.mark.parametrize("statement", READS)
def test_what_reads_the_ledger_is_run(empty_store: Store, statement: str) -> None:
    """The usual ways of reading pass, and ClickHouse runs them."""
    empty_store.query_read_only(check_own(statement, empty_store.query_read_only))


@pytest.mark.parametrize("statement", REACHES)
def test_what_reaches_beside_the_ledger_is_not_run(empty_store: Store, statement: str, tmp_path: Path) -> None:
    """Files, hosts, other databases, settings and changes are refused, with the thing named; no file is touched."""
    here = tmp_path / "secret"
    here.write_text("secret")
    with pytest.raises(SpanledgerError) as refusal:
        empty_store.query_read_only(check_own(statement.replace("{here}", str(here)), empty_store.query_read_only))
    assert REACHES[statement] in str(refusal.value)
    assert "secret" not in str(refusal.value).replace(str(here), "")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["secret"]


def test_every_other_source_is_refused(empty_store: Store) -> None:
    """Of all table functions of this engine, only those named pass: a new one does not slip through."""
    names = {row[0] for row in empty_store.query_read_only("SELECT name FROM system.table_functions").rows}
    assert len(names) > 50
    assert names >= TABLE_FUNCTIONS
    passed = {name for name in names - TABLE_FUNCTIONS if passes(empty_store, f"SELECT * FROM {name}('x')")}
    assert passed == set()


def passes(store: Store, statement: str) -> bool:
    """Whether the statement would be run."""
    try:
        check_own(statement, store.query_read_only)
    except SpanledgerError:
        return False
    return True
