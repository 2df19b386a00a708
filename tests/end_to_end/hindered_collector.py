"""The collector with a store that the test hinders: files in the data directory say how, while they exist.

``refuse``: every insert fails as if the store did not answer. ``slow``: every insert takes a while longer.
``roll_up``, at the start: closed days are rolled up within seconds of the last write, and told in ``rolled_up``.
"""

import sys
import time
from pathlib import Path
from typing import Any

from spanledger_collector import rolled_days
from spanledger_collector.cli.commands import main
from spanledger_collector.errors import StoreUnavailableError
from spanledger_collector.export import roll_up
from spanledger_collector.export.store import Store

HINDRANCES = Path(sys.argv[sys.argv.index("--data") + 1])


TABLES = {"otel_traces", "calls", "facts"}


def hindered(insert: Any) -> Any:
    """The same insert, with the hindrances of the moment; what the start writes is let be."""

    def run(store: Store, table: str, *rows: Any) -> None:
        if table in TABLES and (HINDRANCES / "refuse").exists():
            raise StoreUnavailableError("the store did not answer")
        if table in TABLES and (HINDRANCES / "slow").exists():
            time.sleep(0.7)
        insert(store, table, *rows)

    return run


def told(make: Any) -> Any:
    """The same making of roll-ups, with a line for each day that was made."""

    def run(roll_ups: roll_up.RollUps) -> list[roll_up.Period]:
        made: list[roll_up.Period] = make(roll_ups)
        with (HINDRANCES / "rolled_up").open("a") as stream:
            stream.writelines(f"{period.day}\n" for period in made if period.hour == rolled_days.HOURS_A_DAY)
        return made

    return run


if __name__ == "__main__":
    if (HINDRANCES / "roll_up").exists():
        roll_up.PAUSE_S = 0.1
        rolled_days.LEASE_S = 4
        roll_up.RollUps.make = told(roll_up.RollUps.make)  # type: ignore[method-assign]
    Store.insert = hindered(Store.insert)  # type: ignore[method-assign]
    Store.insert_native = hindered(Store.insert_native)  # type: ignore[method-assign]
    main()
