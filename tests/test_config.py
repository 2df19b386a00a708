"""Settings that cannot be meant end the start, and say which they are."""

import pytest

from spanledger_collector.config import ConfigError, Settings, load_settings, unknown_variables


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *((name, "0") for name in ("batch_spans", "batch_bytes", "max_request_bytes", "max_pending_bytes")),
        *((name, "0") for name in ("journal_max_bytes", "journal_max_age_s")),
        *((name, "-1") for name in ("min_free_bytes", "drain_s", "batch_wait_ms", "connect_timeout_s", "traces_days")),
        ("journal_max_age_s", "nan"),
    ],
)
def test_a_bound_that_would_stop_the_work_is_refused(setting: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of no spans, a journal of no bytes or a wait of less than nothing is named with its setting."""
    monkeypatch.setenv(f"SPANLEDGER_{setting.upper()}", value)
    with pytest.raises(ConfigError, match=rf"setting '{setting}': Input should be .*SPANLEDGER_{setting.upper()}"):
        load_settings()


def test_reasons_of_our_own_are_told_as_they_are() -> None:
    """Without the words of the library that checks them."""
    with pytest.raises(ConfigError, match=r"^settings: cluster names a cluster of"):
        load_settings(cluster="c")


def test_a_variable_that_names_no_setting_is_found() -> None:
    """Misspelt ones are, nested ones and those of other parts are not."""
    settings = [f"SPANLEDGER_{name.upper()}" for name in Settings.model_fields]
    others = ["SPANLEDGER_CONFIG", "SPANLEDGER_FORWARD__URL", "SPANLEDGER_GRAFANA_READER_PASSWORD", "PATH"]
    assert unknown_variables([*settings, *others]) == []
    assert unknown_variables(["SPANLEDGER_TOKENS_FILE", "spanledger_tls_certs"]) == [
        "SPANLEDGER_TOKENS_FILE", "spanledger_tls_certs",
    ]  # fmt: skip
