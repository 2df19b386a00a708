"""The rules of the merge hold whichever twin does the work: every test here runs with both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spanledger_collector import compiled


@pytest.fixture(autouse=True, scope="module", params=["compiled", "pure"])
def in_use(request: pytest.FixtureRequest) -> Iterator[str]:
    """Which of the twins is to do the work."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "pure":
            patch.setattr(compiled, "PURE", True)
        elif compiled.twin("merge.compiled_settle") is None:
            pytest.skip("the compiled twins were not built")
        yield request.param
