"""What a statement of one's own may do: read the ledger's tables, and nothing beside them.

ClickHouse's `readonly` is not enough: under it ``file('/etc/passwd')`` still reads, ``INTO OUTFILE`` still writes, and
chDB runs a second statement after a ``;``. So the engine parses the statement first, without running it
(``EXPLAIN AST``), and every node of the tree must be of a kind known here. Comments, quotes and escapes are the
parser's business, not a pattern's.

It keeps a statement that was pasted, or that an assistant wrote, from reaching files and network. It is no border
between users: who may run the command may read the data directory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from spanledger_collector.errors import BadParameterError, PermanentError
from spanledger_collector.query.ports import Result

Ask = Callable[[str], Result]
"""Runs a statement that reads."""

STATEMENTS = ("SELECT", "WITH", "EXPLAIN", "DESCRIBE", "SHOW TABLES", "SHOW CREATE TABLE")
TABLE_FUNCTIONS = frozenset({
    "values", "view", "null", "numbers", "numbers_mt", "zeros", "zeros_mt", "generateSeries", "generate_series",
})  # fmt: skip
SYSTEM_TABLES = frozenset({"columns", "functions", "numbers", "one", "parts", "tables"})
_REACHING_FUNCTIONS = frozenset({
    "catboostEvaluate", "file", "getClientHTTPHeader", "getMacro", "getServerSetting", "hasColumnInTable", "joinGet",
    "joinGetOrNull", "reverseDNSQuery", "showCertificate",
})  # fmt: skip
"""Of files, hosts, other tables and the server's own configuration."""
_REACHING_CATEGORIES = ("AI", "Dictionary", "Embedded Dictionary", "Introspection", "Machine Learning")
_ROOTS = frozenset({"SelectWithUnionQuery", "DescribeQuery", "Explain", "ShowTables", "ShowCreateTableQuery"})
_NODES = _ROOTS | {
    "ArrayJoin", "Asterisk", "ColumnsExceptTransformer", "ColumnsListMatcher", "ColumnsRegexpMatcher",
    "ColumnsReplaceTransformer", "ColumnsReplaceTransformer::Replacement", "ColumnsTransformerList", "ExpressionList",
    "Function", "Identifier", "InterpolateElement", "Literal", "OrderByElement", "QualifiedAsterisk",
    "QualifiedColumnsListMatcher", "QualifiedColumnsRegexpMatcher", "SampleRatio", "SelectIntersectExceptQuery",
    "SelectQuery", "Set", "Subquery", "TableExpression", "TableIdentifier", "TableJoin", "TablesInSelectQuery",
    "TablesInSelectQueryElement", "WindowDefinition", "WindowListElement", "WithElement",
}  # fmt: skip
"""Not among them: ``APPLY``, whose function the tree does not tell."""
_OUTFILE = re.compile(r"\b(?:OUTFILE|INFILE)\b", re.IGNORECASE)
_FORMAT = re.compile(r"\bFORMAT\s+\w+$", re.IGNORECASE)
_NODE = re.compile(r"( *)(\S+) ?(.*)")
_AFTER_NAME = re.compile(r" ?\((?:alias|children) ")
_WAY_OUT = "the ledger's tables are there: calls, otel_traces, price_card and those of SHOW TABLES"


@dataclass(frozen=True, slots=True)
class Node:
    """A line of the tree: the kinds of node from the root to this one, and its name."""

    path: tuple[str, ...]
    name: str

    @property
    def kind(self) -> str:
        """The node's own kind."""
        return self.path[-1]


def check_own(statement: str, ask: Ask) -> str:
    """The statement without what ends it, once it is known to read the ledger alone; ``ask`` parses it.

    Raises:
        BadParameterError: it does more, naming what, and the way out.
        StoreError: ClickHouse cannot parse it.
        StoreUnavailableError: it did not answer.
    """
    one = statement.strip().rstrip("; \n\t\r")
    if not one:
        raise BadParameterError("there is no statement; try: SELECT agent, sum(cost_usd) FROM calls FINAL GROUP BY 1")
    if ";" in one:
        raise BadParameterError("one statement at a time; a semicolon within text is written char(59)")
    if _OUTFILE.search(one):
        raise BadParameterError("files are neither written nor read; redirect: spanledger sql ... --format csv > FILE")
    if _FORMAT.search(one):
        raise BadParameterError("the form of the answer is chosen by --format table, json, jsonl or csv, not by FORMAT")
    nodes = list(tree(_parsed(one, ask)))
    root = nodes[0].kind
    if root not in _ROOTS:
        raise BadParameterError(f"only statements that read are run: {', '.join(STATEMENTS)}; this is {root}")
    for node in nodes:
        if node.kind not in _NODES:
            what = "APPLY" if node.kind == "ColumnsApplyTransformer" else node.kind
            raise BadParameterError(f"{what} is not run here, as its parts cannot be checked; write it without")
    _check_functions(nodes, ask)
    _check_tables(nodes, ask)
    return one


def tree(answer: Result) -> Iterator[Node]:
    """The lines of ``EXPLAIN AST``, each indented by one more than the node that it belongs to."""
    path: list[str] = []
    # A quoted name may hold a line feed, and begin what looks like a line: one more to be refused, none less.
    for line in "\n".join(str(row[0]) for row in answer.rows).splitlines():
        if found := _NODE.fullmatch(line):
            path = [*path[: len(found[1])], found[2]]
            yield Node(tuple(path), _AFTER_NAME.split(found[3])[0])


def _parsed(statement: str, ask: Ask) -> Result:
    try:
        return ask(f"EXPLAIN AST {statement}")
    except PermanentError as error:
        if "READONLY" in str(error):
            raise BadParameterError("a statement of one's own changes no settings; leave out SETTINGS") from None
        raise


def _check_functions(nodes: list[Node], ask: Ask) -> None:
    for node in nodes:
        if node.kind == "Function" and node.path[-2:-1] == ("TableExpression",) and node.name not in TABLE_FUNCTIONS:
            raise BadParameterError(
                f"{node.name}() is no source here: {_WAY_OUT}; and {', '.join(sorted(TABLE_FUNCTIONS))}()"
            )
    categories = ", ".join(f"'{category}'" for category in _REACHING_CATEGORIES)
    listed = ask(
        f"SELECT name FROM system.functions WHERE categories IN ({categories}) OR origin != 'System' "  # noqa: S608
        "UNION ALL SELECT name FROM system.table_functions WHERE name NOT IN (SELECT name FROM system.functions)"
    )
    reaching = {str(row[0]) for row in listed.rows} - TABLE_FUNCTIONS | _REACHING_FUNCTIONS
    for node in nodes:
        # A bare name is a function where one is expected: arrayMap(file, ...). After IN it is a table function, too.
        if node.kind in ("Function", "Identifier") and node.name in reaching:
            raise BadParameterError(f"{node.name}() reaches beside the ledger, and is not run; {_WAY_OUT}")


def _check_tables(nodes: list[Node], ask: Ask) -> None:
    foreign = {str(row[0]) for row in ask("SELECT name FROM system.databases WHERE name != currentDatabase()").rows}
    for node in nodes:
        # `x IN database.table` is an Identifier, too; and without a database a name is of the ledger's own.
        if node.kind not in ("TableIdentifier", "Identifier"):
            continue
        database, _, table = node.name.partition(".")
        if database in foreign and not (database == "system" and table in SYSTEM_TABLES):
            system_tables = ", ".join(f"system.{name}" for name in sorted(SYSTEM_TABLES))
            raise BadParameterError(f"{node.name} is not read here: {_WAY_OUT}; and {system_tables}")
