"""Settings that cannot be meant end the start, and say which they are."""

from pathlib import Path

import pytest

from spanledger_collector.config import ConfigError, Settings, load_settings, unknown_variables


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *((name, "0") for name in ("batch_spans", "batch_bytes", "max_request_bytes", "max_pending_bytes")),
        *((name, "0") for name in ("journal_max_bytes", "journal_max_age_s")),
        *(
            (name, "-1")
            for name in (
                "min_free_bytes",
                "question_memory_bytes",
                "drain_s",
                "batch_wait_ms",
                "connect_timeout_s",
                "traces_days",
            )
        ),
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


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- a\n- b", "is no map of settings"),
        ("data", "is no map of settings"),
        ("1: 2", "is no map of settings"),
        ("data: [", "is not YAML"),
        ("data: \xe9", "cannot be read"),
        ("bogus: 1", r"setting 'bogus': there is no such setting \(.*SPANLEDGER_BOGUS or .*settings.yaml\)"),
        ("limits: {max_events: -1}", r"setting 'limits.max_events': .*SPANLEDGER_LIMITS__MAX_EVENTS "),
        ("redaction: [{name: a, action: burn}]", r"setting 'redaction.0.action': .*SPANLEDGER_REDACTION "),
    ],
)
def test_a_file_that_cannot_be_meant_is_told_with_its_name(
    text: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stands in it, the error says what to look at; of variables it names one that exists."""
    file = tmp_path / "settings.yaml"
    file.write_bytes(text.encode("latin-1"))
    monkeypatch.setenv("SPANLEDGER_CONFIG", str(file))
    with pytest.raises(ConfigError, match=complaint) as caught:
        load_settings()
    assert "settings.yaml" in str(caught.value)
    file.write_text("")
    assert load_settings() == Settings()


def test_a_variable_that_names_no_setting_is_found() -> None:
    """Misspelt ones are, nested ones and those of other parts are not."""
    settings = [f"SPANLEDGER_{name.upper()}" for name in Settings.model_fields]
    others = ["SPANLEDGER_CONFIG", "SPANLEDGER_FORWARD__URL", "SPANLEDGER_GRAFANA_READER_PASSWORD", "PATH"]
    assert unknown_variables([*settings, *others]) == []
    assert unknown_variables(["SPANLEDGER_TOKENS_FILE", "spanledger_tls_certs"]) == [
        "SPANLEDGER_TOKENS_FILE", "spanledger_tls_certs",
    ]  # fmt: skip
