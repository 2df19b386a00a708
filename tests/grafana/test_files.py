"""The committed files: what the generator makes, and what Grafana's own types take."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.alerting import Rule
from grafana_foundation_sdk.models.dashboard import Dashboard

from spanledger_collector.grafana.alerts import alerting
from spanledger_collector.grafana.dashboards import dashboards
from spanledger_collector.grafana.files import files
from spanledger_collector.grafana.panels import DATASOURCE, WIDTH

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana"
each_dashboard = pytest.mark.parametrize("board", dashboards().values(), ids=lambda board: board["uid"])


def lost(given: Any, kept: Any, where: str = "") -> list[str]:
    """Paths of ``given`` that ``kept`` has not, or has otherwise."""
    if isinstance(given, dict) and isinstance(kept, dict):
        return [path for key in given for path in lost(given[key], kept.get(key), f"{where}.{key}")]
    if isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        return [path for place, item in enumerate(given) for path in lost(item, kept[place], f"{where}[{place}]")]
    return [] if given == kept else [where]


def test_the_committed_files_are_those_that_are_made() -> None:
    """What is committed follows from queries/ as they are; `make dashboards` brings it up to date."""
    made = files()
    assert {name: (FOLDER / name).read_text("utf-8") for name in made} == made
    committed = {path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("dashboards/*.json")}
    assert committed == {name for name in made if name.startswith("dashboards/")}


@each_dashboard
def test_grafanas_types_take_the_dashboard_whole(board: dict[str, Any]) -> None:
    """Read into Grafana's own model and written again, nothing of a dashboard is lost or changed."""
    kept = json.loads(JSONEncoder().encode(Dashboard.from_json(json.loads(json.dumps(board)))))
    assert lost(board, kept) == []


@pytest.mark.parametrize("rule", alerting()["groups"][0]["rules"], ids=lambda rule: rule["uid"])
def test_grafanas_types_take_the_alert_rule_whole(rule: dict[str, Any]) -> None:
    """A rule is what Grafana takes for one: read into its model and written again, nothing is lost or changed."""
    kept = json.loads(JSONEncoder().encode(Rule.from_json(json.loads(json.dumps(rule)))))
    assert lost(rule, kept) == []
    misspelt = json.loads(JSONEncoder().encode(Rule.from_json({**json.loads(json.dumps(rule)), "noData": "OK"})))
    assert lost({"noData": "OK"}, misspelt) == [".noData"]


def test_grafanas_types_would_lose_a_misspelt_field() -> None:
    """The check above sees a field that Grafana does not know."""
    board = {**dashboards()["overview"], "titel": "x"}
    kept = json.loads(JSONEncoder().encode(Dashboard.from_json(json.loads(json.dumps(board)))))
    assert lost(board, kept) == [".titel"]


@each_dashboard
def test_panels_do_not_overlap(board: dict[str, Any]) -> None:
    """Each cell of the grid belongs to one panel at most, and ids are unique."""
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < WIDTH
        assert not cells & taken
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


@each_dashboard
def test_a_panel_uses_variables_that_its_dashboard_has(board: dict[str, Any]) -> None:
    """Every variable of a statement is one of the dashboard's, and stands in the form that escapes quotes."""
    variables = {variable["name"] for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{(\w+)(:?\w*)\}", json.dumps([panel["targets"] for panel in board["panels"]])))
    assert {name for name, _ in used} <= variables
    assert {form for _, form in used} <= {":singlequote"}


def test_links_lead_to_dashboards_and_variables_that_exist() -> None:
    """A link of a cell names a dashboard that is made and a variable that it has."""
    boards = {board["uid"]: {v["name"] for v in board["templating"]["list"]} for board in dashboards().values()}
    links = re.findall(r"/d/([\w-]+)\?var-(\w+)=", json.dumps(list(dashboards().values())))
    assert links
    assert all(variable in boards[uid] for uid, variable in links)


def test_provisioning_names_what_is_there() -> None:
    """Data source, folder and rules agree by uid, and no secret stands in a file."""
    (source,) = yaml.safe_load((FOLDER / "provisioning/datasources/clickhouse.yaml").read_text())["datasources"]
    assert {"type": source["type"], "uid": source["uid"]} == DATASOURCE
    assert source["secureJsonData"]["password"].startswith("${")
    (provider,) = yaml.safe_load((FOLDER / "provisioning/dashboards/spanledger.yaml").read_text())["providers"]
    (group,) = yaml.safe_load((FOLDER / "provisioning/alerting/spanledger.yaml").read_text())["groups"]
    assert group["folder"] == provider["folder"]
    for rule in group["rules"]:
        asked, reduced, held = rule["data"]
        assert asked["datasourceUid"] == source["uid"]
        assert (reduced["model"]["expression"], held["model"]["expression"]) == ("A", "B")
        assert rule["condition"] == held["refId"]
    assert len({rule["uid"] for rule in group["rules"]}) == len(group["rules"])
