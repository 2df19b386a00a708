"""The commands on a real data directory: show, unpriced, check, update, explain and reprice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from spanledger_collector.cli.commands import spanledger
from spanledger_collector.errors import BadInputError, BadParameterError

CORPUS = Path(__file__).parents[1] / "corpus"
CHEAPER = """
prices:
  - provider: anthropic
    model: claude-sonnet-4-5
    reason: negotiated
    cards: [{valid_from: 2026-01-01, input: '2', cache_read: '0.2', cache_write: '2.5', output: '10'}]
display: {currency: EUR, rates: [{from: 2026-01-01, rate: '0.5'}]}
"""

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the calls of one emitter."""
    directory = tmp_path_factory.mktemp("commands")
    done = invoke("import", *map(str, sorted((CORPUS / "genai_anthropic").glob("*.bin"))), "--data", str(directory))
    assert done.exit_code == 0, done.output
    return directory


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A price file."""
    path = tmp_path / "own.yaml"
    path.write_text(CHEAPER)
    return path


def invoke(*arguments: str, answer: str = "") -> Result:
    """Run a command in this process; errors of ours are raised."""
    return CliRunner().invoke(spanledger, arguments, input=answer, catch_exceptions=False)


def calls(data: Path) -> dict[str, tuple[str | None, str]]:
    """Cost and status of each call that is no tool."""
    lines = invoke("query", "calls", "--format", "jsonl", "--data", str(data)).output.splitlines()
    rows = [json.loads(line) for line in lines if line.startswith("{")]
    return {row["call_id"]: (row["cost_usd"], row["price_status"]) for row in rows if row["kind"] != "tool"}


def test_show_tells_the_price_of_a_day(own: Path) -> None:
    """Rates, source and dates; a date before the change shows the former price, the currency stands beside."""
    now = invoke("prices", "show", "claude-sonnet-4-5", "--prices", str(own)).output
    assert "from own.yaml" in now
    assert "output                    $10 per million  (5 EUR)" in now
    before = invoke("prices", "show", "anthropic/claude-sonnet-4-5", "--at", "2025-12-31", "--prices", str(own)).output
    assert "2020-01-01 to 2026-01-01, from genai-prices" in before
    assert "above 200,000 input tokens" in before
    with pytest.raises(BadParameterError, match="no price list knows 'gpt-none'"):
        invoke("prices", "show", "gpt-none")


def test_searches_are_priced_by_the_thousand() -> None:
    """A search stands with the price that lists quote, as in a price file, not with that of a million."""
    lines = invoke("prices", "show", "openai/gpt-4o").output.splitlines()
    assert ["web_search", "$10", "per", "thousand"] in [line.split() for line in lines]


@pytest.mark.parametrize("group", ["prices", "token"])
def test_help_lines_are_whole(group: str) -> None:
    """At the width of a plain terminal no command's purpose is cut."""
    assert (
        "..."
        not in CliRunner().invoke(spanledger, [group, "--help"], terminal_width=80).output.partition("Commands")[2]
    )


def test_check_finds_what_is_wrong(own: Path) -> None:
    """A file in order says so; a price a thousand times off is refused where nobody can be asked, unless --yes."""
    assert "is in order: 1 cards" in invoke("prices", "check", str(own)).output
    own.write_text(CHEAPER.replace("output: '10'", "output: '15000'"))
    with pytest.raises(BadInputError, match=r"own\.yaml:6: prices\[0\]\.cards\[0\]: output is \$15000"):
        invoke("prices", "check", str(own))
    assert invoke("prices", "check", str(own), "--yes").exit_code == 0


def test_every_cost_is_explained(data: Path) -> None:
    """For each priced call of the ledger, tokens times rate add up to what is booked, to the last digit."""
    priced = {key: cost for key, (cost, status) in calls(data).items() if status == "priced"}
    assert len(priced) > 5
    for call_id, cost in priced.items():
        told = invoke("prices", "explain", call_id, "--data", str(data))
        assert told.exit_code == 0, told.output
        assert f"sum ${cost}\nwhich is what is booked" in told.output
        assert "from genai-prices" in told.output
    with pytest.raises(BadParameterError, match="there is no call 'x'"):
        invoke("prices", "explain", "x", "--data", str(data))


def test_reprice_shows_asks_writes_and_takes_back(data: Path, own: Path) -> None:
    """A dry run and a no change nothing; a yes does, is audited and explained; undo restores each row."""
    before = calls(data)
    arguments = ("reprice", "--since", "2026-01-01", "--prices", str(own), "--data", str(data))
    assert "calls change; in total" in invoke(*arguments, "--dry-run").output
    assert invoke(*arguments, answer="n\n").exit_code == 1
    assert calls(data) == before
    done = invoke(*arguments, answer="y\n")
    assert "re-pricing 1: " in done.output
    after = calls(data)
    changed = [key for key in before if before[key] != after[key]]
    assert changed
    assert "0 of " in invoke(*arguments, answer="").output
    told = invoke("prices", "explain", changed[0], "--data", str(data)).output
    assert "from own.yaml" in told
    assert "which is what is booked" in told
    assert invoke("reprice", "--undo", "1", "--data", str(data)).exit_code == 0
    assert calls(data) == before
    with pytest.raises(BadParameterError, match="--since 30d"):
        invoke("reprice", "--data", str(data))


def test_the_work_list_names_what_has_no_price(data: Path) -> None:
    """Nothing is unpriced in this ledger but what reported no usage."""
    listed = invoke("prices", "unpriced", "--format", "json", "--data", str(data)).output
    assert {row["price_status"] for row in json.loads(listed)} <= {"no_usage"}


def price_list(**prices: object) -> str:
    """A data.json of genai-prices with one provider."""
    models = [
        {"id": name.replace("_", "-"), "match": {"equals": name.replace("_", "-")}, "prices": price}
        for name, price in prices.items()
    ]
    return json.dumps([{"id": "openai", "name": "OpenAI", "api_pattern": "https://api", "models": models}])


def test_update_classes_each_difference_and_takes_the_list(tmp_path: Path) -> None:
    """An in-place difference is a correction, a dated one a change; the newer list is in use until taken back."""
    path, data = tmp_path / "data.json", str(tmp_path / "data")
    cheap, dear = {"input_mtok": 1, "output_mtok": 2}, {"input_mtok": 3, "output_mtok": 4}
    path.write_text(price_list(gpt_a=cheap, gpt_b=cheap, gpt_c=cheap))
    assert invoke("prices", "update", "--from", str(path), "--data", data, answer="n\n").exit_code == 1
    assert "gone       anthropic/" in invoke("prices", "update", "--from", str(path), "--data", data, "--yes").output

    dated = [{"prices": cheap}, {"prices": dear, "constraint": {"start_date": "2027-01-01"}}]
    path.write_text(price_list(gpt_a=dear, gpt_b=dated, gpt_d=cheap))
    lines = invoke("prices", "update", "--from", str(path), "--data", data, "--yes").output.splitlines()
    assert [line.split(":")[0] for line in lines if "/gpt" in line] == [
        "correction openai/gpt-a from 2020-01-01",
        "change     openai/gpt-b from 2027-01-01",
        "gone       openai/gpt-c from 2020-01-01",
        "new        openai/gpt-d from 2020-01-01",
    ]
    assert any(line.endswith("1 new, 1 gone, 1 changed, 1 corrected") for line in lines)
    assert any("spanledger reprice" in line for line in lines)
    assert "$3 per million" in invoke("prices", "show", "gpt-a", "--data", data).output
    invoke("prices", "update", "--data", data, "--yes")
    assert invoke("prices", "show", "gpt-4o", "--data", data).exit_code == 0


def test_update_refuses_another_file(tmp_path: Path) -> None:
    """A file that is no price list changes nothing and says so."""
    path = tmp_path / "data.json"
    for text in ("{}", "[", '[{"id": 1}]'):
        path.write_text(text)
        with pytest.raises(BadInputError, match=r"is no data\.json of genai-prices"):
            invoke("prices", "update", "--from", str(path), "--data", str(tmp_path / "data"))
