"""Every setting, once.

Command-line flags win over ``SPANLEDGER_*`` variables, these over the YAML file, this over the defaults here.
The YAML file is the one that ``--config`` or ``SPANLEDGER_CONFIG`` names; its keys are the field names below.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from spanledger_collector.errors import PermanentError


class ConfigError(PermanentError):
    """A setting that cannot be used; the message names it and where it came from."""


@dataclass(slots=True, frozen=True)
class Address:
    """A host and a port to listen on; port 0 picks a free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``HOST:PORT``, ``:PORT`` or ``[IPv6]:PORT``. Raises ``ValueError`` with what was expected."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"expected HOST:PORT, as in 127.0.0.1:4318; got {text!r}")
        return cls(host.strip("[]") or "127.0.0.1", int(port))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def default_data_directory() -> Path:
    """``$XDG_DATA_HOME/spanledger``, which is ``~/.local/share/spanledger`` where the variable is not set."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "spanledger"


class Settings(BaseSettings):
    """All settings of the collector and the commands."""

    model_config = SettingsConfigDict(env_prefix="SPANLEDGER_", extra="forbid")

    data: Path = default_data_directory()
    """Directory of the embedded store and of the collector's own state."""
    clickhouse: str = ""
    """URL of a ClickHouse server (``http[s]://user:password@host:8123/database``); empty: the embedded store."""
    otlp_grpc: str = "127.0.0.1:4317"
    otlp_http: str = "127.0.0.1:4318"
    api: str = "127.0.0.1:8600"
    max_request_bytes: int = 16 * 1024 * 1024
    """Largest OTLP request, after decompression."""
    max_pending_bytes: int = 128 * 1024 * 1024
    """How much may wait for the store before clients are told to slow down."""
    batch_spans: int = 20_000
    """Spans written to the store together at the most."""
    batch_wait_ms: int = 200
    """How long a batch waits for more spans; the answer to the client waits as long."""
    connect_timeout_s: float = 30.0
    """How long the start waits for a ClickHouse server that does not answer yet."""

    @field_validator("otlp_grpc", "otlp_http", "api")
    @classmethod
    def _is_address(cls, text: str) -> str:
        Address.parse(text)
        return text

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then the environment, then the YAML file."""
        return (
            init_settings,
            env_settings,
            YamlConfigSettingsSource(settings_cls, yaml_file=os.environ.get("SPANLEDGER_CONFIG")),
        )


def load_settings(config_file: str | None = None, **flags: Any) -> Settings:
    """Settings from all sources; flags that are ``None`` were not given.

    Raises:
        ConfigError: a value that does not fit, an unknown key, or a file that cannot be read.
    """
    if config_file:
        os.environ["SPANLEDGER_CONFIG"] = config_file
    named = os.environ.get("SPANLEDGER_CONFIG")
    if named and not Path(named).is_file():
        raise ConfigError(f"the configuration file {named} does not exist (--config or SPANLEDGER_CONFIG)")
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        setting = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"setting {setting!r}: {first['msg']} "
            f"(from a flag, SPANLEDGER_{setting.upper()} or {named or 'a configuration file'})"
        ) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"the configuration file {named} is not YAML: {error}") from None
