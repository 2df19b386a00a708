"""The configurations for the OpenTelemetry Collector: what they refer to is there."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

CONFIGS = sorted((Path(__file__).parents[2] / "deploy" / "otelcol").glob("*.yaml"))


def test_the_readme_names_each_configuration() -> None:
    """There are three, and the README tells of each."""
    readme = (CONFIGS[0].parent / "README.md").read_text("utf-8")
    assert len(CONFIGS) == 3
    assert all(f"`{path.name}`" in readme for path in CONFIGS)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_component_of_a_pipeline_is_declared_and_used(path: Path) -> None:
    """Each pipeline's parts exist, and no part lies idle."""
    config: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    pipelines = config["service"]["pipelines"]
    assert set(pipelines) == {"traces", "logs"}
    for kind in ("receivers", "processors", "exporters"):
        named = {name for pipeline in pipelines.values() for name in pipeline.get(kind, ())}
        assert named == set(config.get(kind, ()))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_stock_collector_takes_each_configuration(path: Path) -> None:
    """Its own check passes, where there is an `otelcol` on the PATH."""
    otelcol = shutil.which("otelcol")
    if otelcol is None:
        pytest.skip("there is no otelcol on the PATH to check the configurations with")
    places = {"SPANLEDGER_URL": "http://127.0.0.1:5318", "OTHER_URL": "http://127.0.0.1:7318", "SPANLEDGER_TOKEN": "t"}
    command = [otelcol, "validate", "--config", str(path)]
    checked = subprocess.run(command, check=False, capture_output=True, text=True, env={**os.environ, **places})
    assert checked.returncode == 0, checked.stderr


def test_collectors_in_front_and_behind_fit_on_one_machine() -> None:
    """No two of them listen on the same port, their own metrics included."""
    before, behind = (
        yaml.safe_load(next(path for path in CONFIGS if path.name == name).read_text("utf-8"))
        for name in ("before.yaml", "behind.yaml")
    )
    assert not _endpoints(before) & _endpoints(behind)
    (reader,) = behind["service"]["telemetry"]["metrics"]["readers"]
    assert reader["pull"]["exporter"]["prometheus"]["port"] != 8888  # the default, which the one in front has


def _endpoints(config: dict[str, Any]) -> set[str]:
    return {protocol["endpoint"] for protocol in config["receivers"]["otlp"]["protocols"].values()}


@pytest.mark.parametrize("name", ["before.yaml", "beside.yaml"])
def test_all_of_it_goes_to_spanledger(name: str) -> None:
    """Every pipeline ends there, and tries until it is taken."""
    config = next(yaml.safe_load(path.read_text("utf-8")) for path in CONFIGS if path.name == name)
    for pipeline in config["service"]["pipelines"].values():
        assert "otlphttp/spanledger" in pipeline["exporters"]
    exporter = config["exporters"]["otlphttp/spanledger"]
    assert exporter["endpoint"] == "${env:SPANLEDGER_URL}"
    assert exporter["retry_on_failure"] == {"enabled": True, "max_elapsed_time": "0s"}


def test_the_collector_behind_listens_where_the_readme_lets_spanledger_send() -> None:
    """`serve --forward` leads to the entrance of the configuration, with no other component of ours in between."""
    config = next(yaml.safe_load(path.read_text("utf-8")) for path in CONFIGS if path.name == "behind.yaml")
    endpoint = config["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"]
    assert f"--forward grpc://{endpoint}" in (CONFIGS[0].parent / "README.md").read_text("utf-8")
    # What spanledger sends was acknowledged: a queue in memory would lose it in a restart, one that blocks does not.
    assert config["exporters"]["otlphttp/other"]["sending_queue"] == {"enabled": False}
