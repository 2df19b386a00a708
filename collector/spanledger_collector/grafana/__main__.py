"""Write the files: ``python -m spanledger_collector.grafana deploy/grafana``."""

from __future__ import annotations

import sys
from pathlib import Path

from spanledger_collector.grafana.files import files

folder = Path(sys.argv[1])
for name, text in files().items():
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
