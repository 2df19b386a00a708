"""The files under deploy/grafana that are made here, byte for byte the same from the same library."""

from __future__ import annotations

import json

import yaml

from spanledger_collector.grafana.alerts import alerting
from spanledger_collector.grafana.dashboards import dashboards

_MADE = "# Made from queries/ by `make dashboards`; do not edit.\n"


class _Dumper(yaml.SafeDumper):
    """Statements as blocks of lines, as they are written in queries/; nothing said by reference."""

    def ignore_aliases(self, _: object) -> bool:
        """Write what stands twice out twice."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def files() -> dict[str, str]:
    """Text by path under deploy/grafana."""
    boards = {
        f"dashboards/{key}.json": json.dumps(board, indent=1, ensure_ascii=False) + "\n"
        for key, board in dashboards().items()
    }
    rules = yaml.dump(alerting(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return {**boards, "provisioning/alerting/spanledger.yaml": _MADE + rules}
