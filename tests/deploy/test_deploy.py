"""Compose, Kubernetes and ClickHouse files: they parse, agree with each other, and name what the collector has.

None of them is run here; what a real daemon or cluster would say is in docs/deploy.md.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

from spanledger_collector.config import Address, Settings
from spanledger_collector.export.store_settings import EMBEDDED_SETTINGS
from spanledger_collector.web.guard import OPEN_PATHS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
KUBERNETES = {path.name: yaml.safe_load(path.read_text("utf-8")) for path in (DEPLOY / "kubernetes").glob("*.yaml")}


def container() -> dict[str, Any]:
    """The collector's container in the cluster."""
    (found,) = KUBERNETES["collector.yaml"]["spec"]["template"]["spec"]["containers"]
    return found


def collector_settings() -> set[str]:
    """The settings that the image, compose and the cluster give the collector."""
    image = set(re.findall(r"SPANLEDGER_(\w+)=", DOCKERFILE))
    compose = {name.removeprefix("SPANLEDGER_") for name in COMPOSE["services"]["collector"]["environment"]}
    cluster = {entry["name"].removeprefix("SPANLEDGER_") for entry in container()["env"]}
    return {name.lower() for name in image | compose | cluster}


def test_the_collector_is_given_settings_that_it_has() -> None:
    """Every SPANLEDGER_ variable is a setting by its name: a misspelt one would be passed over in silence."""
    assert collector_settings() <= set(Settings.model_fields)


def test_the_image_listens_where_compose_and_the_cluster_look() -> None:
    """Ports of the image, of compose, of the container and of the Service are the same three."""
    addresses = re.findall(r"SPANLEDGER_(?:OTLP_GRPC|OTLP_HTTP|API)=(\S+)", DOCKERFILE)
    ports = {Address.parse(address).port for address in addresses}
    assert ports == {Address.parse(text).port for text in (Settings().otlp_grpc, Settings().otlp_http, Settings().api)}
    assert {int(text.split(":")[-1]) for text in COMPOSE["services"]["collector"]["ports"]} == ports
    named = {port["name"]: port["containerPort"] for port in container()["ports"]}
    assert set(named.values()) == ports
    service = KUBERNETES["service.yaml"]["spec"]["ports"]
    assert {port["targetPort"] for port in service} == set(named)
    assert {port["port"] for port in service} == ports


def test_the_image_copies_what_is_there() -> None:
    """Each file and folder that the image takes exists, and the build's context lets it through."""
    taken = [path for line in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.M) for path in line.split()]
    let_through = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").split()
    assert {"locks/run.txt", "collector", "queries", "schemas"} <= set(taken)
    assert all((ROOT / path).exists() and f"!{path}" in let_through for path in taken)


def test_compose_mounts_and_waits_for_what_is_there() -> None:
    """Every mounted file exists, every named volume is declared, and who is waited for tells its health."""
    for service in COMPOSE["services"].values():
        for mount in service["volumes"]:
            source = mount.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
        for name, wait in service.get("depends_on", {}).items():
            assert wait["condition"] == "service_healthy"
            assert "healthcheck" in COMPOSE["services"][name]


def test_compose_opens_ports_to_this_machine_only() -> None:
    """The default passwords of a try are not reachable from elsewhere."""
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert "ports" not in COMPOSE["services"]["clickhouse"]


def test_grafana_is_given_what_its_provisioning_asks_for() -> None:
    """Variables of the data source are set, and dashboards are mounted where the provider looks."""
    grafana = COMPOSE["services"]["grafana"]
    provisioning = DEPLOY / "grafana" / "provisioning"
    asked = set(re.findall(r"\$\{(\w+)\}", (provisioning / "datasources/clickhouse.yaml").read_text("utf-8")))
    assert asked <= set(grafana["environment"])
    provider = yaml.safe_load((provisioning / "dashboards/spanledger.yaml").read_text("utf-8"))["providers"][0]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in grafana["volumes"]


def test_probes_ask_what_needs_no_token() -> None:
    """Liveness, readiness and start ask paths that answer without a token."""
    probes = {name: container()[name]["httpGet"] for name in ("livenessProbe", "readinessProbe", "startupProbe")}
    assert {probe["path"] for probe in probes.values()} == OPEN_PATHS
    assert probes["readinessProbe"]["path"] == "/readyz"
    assert {probe["port"] for probe in probes.values()} == {"api"}
    assert container()["resources"]["limits"].keys() == {"cpu", "memory"}


def test_the_service_leads_to_a_pod_that_is_not_ready() -> None:
    """A ClickHouse that is away makes the pod unready, and the pod still takes spans: clients must reach it."""
    assert KUBERNETES["service.yaml"]["spec"]["publishNotReadyAddresses"] is True


def test_the_cluster_finds_pod_secret_and_volumes_by_name() -> None:
    """Selectors meet labels, mounts meet volumes, and the secret has the keys that the pod takes."""
    pod = KUBERNETES["collector.yaml"]["spec"]
    labels = pod["template"]["metadata"]["labels"]
    assert KUBERNETES["service.yaml"]["spec"]["selector"] == pod["selector"]["matchLabels"] == labels
    volumes = {volume["name"] for volume in pod["template"]["spec"]["volumes"]}
    claims = {claim["metadata"]["name"] for claim in pod["volumeClaimTemplates"]}
    assert {mount["name"] for mount in container()["volumeMounts"]} == volumes | claims
    keys = set(KUBERNETES["secret.example.yaml"]["stringData"])
    assert keys == {"clickhouse-url", "tokens.yaml"}
    assert container()["env"][0]["valueFrom"]["secretKeyRef"]["key"] in keys
    resources = KUBERNETES["kustomization.yaml"]["resources"]
    assert set(resources) == set(KUBERNETES) - {"kustomization.yaml", "secret.example.yaml"}
    assert pod["replicas"] == 1


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl")
def test_kustomize_builds_the_whole() -> None:
    """What `kubectl apply -k` would send has every resource, each in the namespace; nothing of it is a secret."""
    build = ["kubectl", "kustomize", str(DEPLOY / "kubernetes")]
    made = list(yaml.safe_load_all(subprocess.run(build, check=True, capture_output=True, text=True).stdout))
    assert {resource["kind"] for resource in made} == {"Namespace", "StatefulSet", "Service"}
    assert {resource["metadata"].get("namespace", resource["metadata"]["name"]) for resource in made} == {"spanledger"}


@pytest.mark.parametrize("path", sorted((DEPLOY / "clickhouse").rglob("*.xml")), ids=lambda path: path.name)
def test_clickhouse_files_are_well_formed(path: Path) -> None:
    """Each file is XML under ClickHouse's root element, without a password in it."""
    root = ET.parse(path).getroot()
    assert root.tag == "clickhouse"
    assert all(element.get("from_env") and not element.text for element in root.iter("password"))


def test_one_log_of_clickhouse_is_kept_and_bounded() -> None:
    """Of ClickHouse's log tables the one that stays has a time to live; the others are off."""
    root = ET.parse(DEPLOY / "clickhouse/config.d/logs.xml").getroot()
    logs = [element for element in root if element.tag.endswith("_log")]
    kept = [element for element in logs if element.get("remove") != "1"]
    assert [element.tag for element in kept] == ["query_log"]
    assert "TTL" in (kept[0].findtext("engine") or "")
    assert len({element.tag for element in logs}) == len(logs) > 30


def test_grafanas_questions_are_planned_as_those_of_the_embedded_store() -> None:
    """What ClickHouse is not to look for is the same list in both."""
    profile = ET.parse(DEPLOY / "clickhouse" / "users.d" / "grafana.xml").find("profiles/reader")
    assert profile is not None
    told = {element.tag: int(element.text or "") for element in profile if element.tag.startswith("optimize_")}
    assert told == EMBEDDED_SETTINGS
