"""The API's door: tokens for reading and for changing, and what a team's token shows."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from spanledger_collector.access import Access, Grant, new_token
from spanledger_collector.web.api import create_app


def known(grant: Grant) -> tuple[str, dict[str, Grant]]:
    """A new token, and its entry as ``Access`` takes it."""
    token, line = new_token(grant)
    return token, {line.partition("sha256: ")[2][:64]: grant}


SENDER, SENDER_ENTRY = known(Grant(may=("send",)))
TEAM_READER, TEAM_ENTRY = known(Grant("core", may=("read",)))
MANAGER, MANAGER_ENTRY = known(Grant(may=("read", "manage")))


@pytest.fixture
def api(store: Any, state: dict[str, Any]) -> TestClient:
    """An API that knows three tokens."""
    access = Access(SENDER_ENTRY | TEAM_ENTRY | MANAGER_ENTRY)
    return TestClient(create_app(store, health=lambda: state, access=access), raise_server_exceptions=False)


def bearer(token: str) -> dict[str, str]:
    """The header of a token."""
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", ["/", "/page.js", "/metrics", "/api/queries", "/api/queries/calls"])
def test_without_a_token_only_the_probes_answer(api: TestClient, path: str) -> None:
    """Page, metrics and answers ask for a token, in a way that a browser understands; the probes do not."""
    refused = api.get(path)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Basic realm=")
    assert "content-security-policy" in refused.headers
    assert "spanledger token new" in refused.json()["error"]
    assert api.get(path, headers=bearer(SENDER)).status_code == 403
    assert api.get(path, headers=bearer(MANAGER)).status_code == 200
    assert api.get(path, auth=("anyone", MANAGER)).status_code == 200
    assert api.get("/healthz").status_code == api.get("/readyz").status_code == 200


def test_a_token_of_a_team_reads_that_team(api: TestClient, store: Any) -> None:
    """Its questions are narrowed to its team; another team is refused and asks nothing of the store."""
    assert api.get("/api/queries/calls", headers=bearer(TEAM_READER)).status_code == 200
    assert api.get("/api/queries/calls?team=core", headers=bearer(TEAM_READER)).status_code == 200
    assert [parameters["team"] for _, parameters in store.asked] == ["core", "core"]
    refused = api.get("/api/queries/calls?team=payments", headers=bearer(TEAM_READER))
    assert refused.status_code == 403
    assert "'core'" in refused.json()["error"]
    assert len(store.asked) == 2


def test_changes_need_a_token_that_manages_and_no_other_sites_page(api: TestClient) -> None:
    """A reader may not POST; nor may a manager's browser on behalf of another site. The manager itself gets through."""
    assert api.post("/api/none", headers=bearer(TEAM_READER)).status_code == 403
    foreign = api.post("/api/none", headers=bearer(MANAGER) | {"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
    assert "another site" in foreign.json()["error"]
    assert api.post("/api/none", headers=bearer(MANAGER)).status_code in (404, 405)


def test_without_tokens_other_sites_may_still_change_nothing(store: Any, state: dict[str, Any]) -> None:
    """On an open collector, too, a page of another site is refused."""
    api = TestClient(create_app(store, health=lambda: state))
    assert api.post("/api/none", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert api.post("/api/none").status_code in (404, 405)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8600", 200),
        ("localhost:8600", 200),
        ("[::1]:8600", 200),
        ("evil.example", 403),
        ("evil.example:8600", 403),
        ("127.0.0.1.evil.example", 403),
        ("[evil", 403),
        ("", 403),
    ],
)
def test_on_loopback_without_tokens_other_names_are_refused(
    host: str, status: int, store: Any, state: dict[str, Any]
) -> None:
    """A site whose name leads to this machine reads nothing; the probes tell nothing and answer."""
    api = TestClient(create_app(store, health=lambda: state, for_this_machine=True), raise_server_exceptions=False)
    answer = api.get("/api/queries/calls", headers={"host": host})
    assert answer.status_code == status
    assert status == 200 or "--tokens" in answer.json()["error"]
    assert api.get("/healthz", headers={"host": host}).status_code == 200


def test_with_tokens_or_beyond_loopback_any_name_will_do(store: Any, state: dict[str, Any]) -> None:
    """A token is no password that a browser sends by itself, and a network has names of its own."""
    access = Access(MANAGER_ENTRY)
    closed = TestClient(create_app(store, health=lambda: state, access=access, for_this_machine=True))
    assert closed.get("/api/queries", headers={**bearer(MANAGER), "host": "ledger.example"}).status_code == 200
    opened = TestClient(create_app(store, health=lambda: state))
    assert opened.get("/api/queries", headers={"host": "spanledger:8600"}).status_code == 200
