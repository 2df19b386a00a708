"""The configurations for the OpenTelemetry Collector: what they refer to is there."""

from pathlib import Path
from typing import Any

import pytest
import yaml

CONFIGS = sorted((Path(__file__).parents[2] / "deploy" / "otelcol").glob("*.yaml"))


def test_the_readme_names_each_configuration() -> None:
    """There are two, and the README tells of both."""
    readme = (CONFIGS[0].parent / "README.md").read_text("utf-8")
    assert len(CONFIGS) == 2
    assert all(f"`{path.name}`" in readme for path in CONFIGS)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_component_of_a_pipeline_is_declared_and_used(path: Path) -> None:
    """Each pipeline's parts exist, no part lies idle, and all of it goes to spanledger."""
    config: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    pipelines = config["service"]["pipelines"]
    assert set(pipelines) == {"traces", "logs"}
    for kind in ("receivers", "processors", "exporters"):
        assert {name for pipeline in pipelines.values() for name in pipeline[kind]} == set(config[kind])
    for pipeline in pipelines.values():
        assert "otlphttp/spanledger" in pipeline["exporters"]
    exporter = config["exporters"]["otlphttp/spanledger"]
    assert exporter["endpoint"] == "${env:SPANLEDGER_URL}"
    assert exporter["retry_on_failure"] == {"enabled": True, "max_elapsed_time": "0s"}
