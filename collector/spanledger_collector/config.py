"""Every setting, once.

Command-line flags win over ``SPANLEDGER_*`` variables, these over the YAML file, this over the defaults here.
The YAML file is the one that ``--config`` or ``SPANLEDGER_CONFIG`` names; its keys are the field names below.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    YamlConfigSettingsSource,
)

from spanledger_collector.errors import PermanentError


class ConfigError(PermanentError):
    """A setting that cannot be used; the message names it and where it came from."""


@dataclass(slots=True, frozen=True)
class Certificate:
    """What a listener shows of itself over TLS: PEM files of its certificate chain and of its private key."""

    chain: Path
    key: Path


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

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class RedactionRule(BaseModel):
    """What to do with an attribute or a text; without ``value`` all of it is meant, else what the expression finds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "*"
    value: str = ""
    action: Literal["drop", "hash", "mask"]
    """``drop`` removes the attribute, ``hash`` puts a hash for it, ``mask`` puts ``***`` for what was found in it."""

    @model_validator(mode="after")
    def _says_what_to_redact(self) -> RedactionRule:
        if self.name == "*" and not self.value:
            raise ValueError("a rule needs a name, a value, or both; with neither it would redact everything")
        try:
            re.compile(self.value)
        except re.error as error:
            raise ValueError(f"value is no regular expression: {error}") from None
        return self


class Limits(BaseModel):
    """What one span or log record may hold; the counts are for each span, event, link, log record, scope and resource.

    What is over a limit is cut or, where it is the time, rejected, and the sender is told.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_attributes: NonNegativeInt = 2_000
    max_attribute_bytes: NonNegativeInt = 1024 * 1024
    """Of one text or name, or of one array or map with all that is in it."""
    max_events: NonNegativeInt = 2_000
    max_links: NonNegativeInt = 2_000
    max_future_s: NonNegativeInt = 24 * 3600
    """How far a client's clock may run ahead."""
    max_age_days: NonNegativeInt = 3_650
    """Old traces may be imported; a date of long ago is a broken clock, and would cost a partition of its own."""


class Forward(BaseModel):
    """Another back end that all spans and logs are sent on to, with what the ledger found out about them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = ""
    """``http[s]://host[:port][/base]`` for OTLP/HTTP, ``grpc[s]://host:port`` for OTLP/gRPC; empty: nowhere."""
    headers: dict[str, SecretStr] = {}
    """Sent with each request; the place for the other back end's key."""
    ca_file: Path | None = None
    """Certificates (PEM) that the target's is checked by, instead of the system's."""
    timeout_s: PositiveFloat = 10.0
    """How long a request may take."""
    max_bytes: PositiveInt = 1024 * 1024 * 1024
    """How much may wait on disk for the target; over it the oldest are given up."""
    max_age_s: PositiveFloat = 24 * 3600.0
    """How long a request may wait for it; older ones are given up."""

    @field_validator("url")
    @classmethod
    def _is_target(cls, url: str) -> str:
        expected = "expected http[s]://HOST[:PORT][/BASE] or grpc[s]://HOST:PORT"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError(expected) from None
        if not url:
            return url
        if parts.username is not None:
            raise ValueError("a URL with a user and password would be shown in logs; use forward.headers")
        of_http, of_grpc = parts.scheme in ("http", "https"), parts.scheme in ("grpc", "grpcs")
        if not parts.hostname or parts.query or parts.fragment or not (of_http or of_grpc):
            raise ValueError(expected)
        if of_grpc and (port is None or parts.path not in ("", "/")):
            raise ValueError("grpc[s]:// needs HOST:PORT and no path")
        return url

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            if not re.fullmatch(r"[\w!#$%&'*+.^`|~-]+", name, re.ASCII):
                raise ValueError("the name of a header is of letters, digits and -")
            if not re.fullmatch(r"[\x20-\x7e]*", value.get_secret_value()):
                raise ValueError(f"the value of the header {name} has characters that no header may have")
        return headers

    @field_validator("ca_file")
    @classmethod
    def _is_there(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError(f"the file {path} does not exist")
        return path


_OTHERS = re.compile("CONFIG|PURE|URL|STREAM_USAGE|PROVIDER_HOSTS|(GRAFANA|CLICKHOUSE)_.+")
"""Variables of ours that are no settings of the collector."""


def unknown_variables(environment: Iterable[str]) -> list[str]:
    """Names that begin as settings do and are none: a misspelt ``SPANLEDGER_TOKENS`` would leave a door open."""
    names = (name for name in environment if name.upper().startswith("SPANLEDGER_"))
    return sorted(
        name
        for name in names
        if (setting := name.upper().removeprefix("SPANLEDGER_").partition("__")[0]).lower() not in Settings.model_fields
        and not _OTHERS.fullmatch(setting)
    )


def default_data_directory() -> Path:
    """``$XDG_DATA_HOME/spanledger``, which is ``~/.local/share/spanledger`` where the variable is not set."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "spanledger"


class Settings(BaseSettings):
    """All settings of the collector and the commands."""

    model_config = SettingsConfigDict(env_prefix="SPANLEDGER_", env_nested_delimiter="__", extra="forbid")

    data: Path = default_data_directory()
    """Directory of the embedded store and of the collector's own state."""
    clickhouse: str = ""
    """URL of a ClickHouse server (``http[s]://user:password@host:8123/database``); empty: the embedded store."""
    prices: Path | None = None
    """YAML file with prices of your own, laid over the catalogue; ``docs/prices.md`` has its format."""
    cluster: str = ""
    """Name of a cluster of that server: its hosts get replicated tables, and distributed ones before them."""
    otlp_grpc: str = "127.0.0.1:4317"
    otlp_http: str = "127.0.0.1:4318"
    api: str = "127.0.0.1:8600"
    receivers: NonNegativeInt = 0
    """Processes that receive OTLP for this collector; 0: it does so itself."""
    tls_cert: Path | None = None
    """Certificate chain (PEM) of all three listeners; with ``tls_key``, clients speak TLS."""
    tls_key: Path | None = None
    tokens: Path | None = None
    """YAML file of the tokens that are let in (see ``access``); without one, everybody who reaches a port is."""
    token: SecretStr = SecretStr("")
    """The token that commands show to a running collector."""
    log_format: Literal["text", "json"] = "text"
    traces_days: NonNegativeInt = 30
    """How long spans are kept after they arrived; 0 keeps them for good, here and below."""
    facts_days: NonNegativeInt = 400
    """How long copies of a call that come late still find it."""
    calls_days: NonNegativeInt = 0
    """How long the ledger is kept."""
    redaction: list[RedactionRule] = []
    """Applied in this order to all that comes in, before anything is written."""
    redaction_key: SecretStr = SecretStr("")
    """Makes redacted hashes useless to who does not have it; without one, short values can be guessed."""
    limits: Limits = Limits()
    forward: Forward = Forward()
    """Where spans and logs are sent on to; ``docs/forward.md`` has what is added to them."""
    max_request_bytes: PositiveInt = 16 * 1024 * 1024
    """Largest OTLP request, after decompression."""
    max_pending_bytes: PositiveInt = 128 * 1024 * 1024
    """How much may wait in memory for the disk, and as much of bodies under way; beyond it clients are to slow down."""
    journal_max_bytes: PositiveInt = 1024 * 1024 * 1024
    """How much may wait on disk for the store before clients are told to slow down."""
    journal_max_age_s: PositiveFloat = 24 * 3600.0
    """How long the oldest request may wait for the store before clients are told to slow down."""
    min_free_bytes: NonNegativeInt = 128 * 1024 * 1024
    """What stays free on the disk of ``data``: with less, clients are told to slow down."""
    drain_s: NonNegativeFloat = 10.0
    """How long a stop waits for what is in the journal; the rest is for the next start."""
    batch_spans: PositiveInt = 30_000
    """Spans written to the store together at the most."""
    batch_bytes: PositiveInt = 32 * 1024 * 1024
    """The same for the size of their requests."""
    batch_wait_ms: NonNegativeInt = 500
    """How long a batch waits for more spans."""
    question_memory_bytes: NonNegativeInt = 0
    """How much memory a question may take of the embedded store, where two are answered at a time; 0 is two fifths of
    what the machine or the container has. A ClickHouse server has bounds of its own."""
    connect_timeout_s: NonNegativeFloat = 30.0
    """How long the start waits for a ClickHouse server that does not answer yet."""

    @property
    def newer_price_list(self) -> Path:
        """Where ``spanledger prices update --from`` puts a price list newer than the installed one."""
        return self.data / "prices" / "data.json"

    @property
    def server(self) -> str:
        """Where the ClickHouse server is, without user and password; '' for the embedded store."""
        parts = urlsplit(self.clickhouse)
        return f"{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"

    @model_validator(mode="after")
    def _cluster_is_of_a_server(self) -> Settings:
        if self.cluster and not self.clickhouse:
            raise ValueError("cluster names a cluster of the ClickHouse server in clickhouse, which is not set")
        if not re.fullmatch(r"[\w.{}-]*", self.cluster):
            raise ValueError("cluster is a name of letters, digits and _ . - { }")
        return self

    @field_validator("otlp_grpc", "otlp_http", "api")
    @classmethod
    def _is_address(cls, text: str) -> str:
        Address.parse(text)
        return text

    @model_validator(mode="after")
    def _certificate_has_both_halves(self) -> Settings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key are given together or not at all")
        for path in (self.tls_cert, self.tls_key, self.tokens):
            if path is not None and not path.is_file():
                raise ValueError(f"the file {path} (tls_cert, tls_key or tokens) does not exist")
        if self.tls_cert is not None:
            try:
                # An empty password: else OpenSSL would ask for one at the terminal.
                ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(self.tls_cert, self.tls_key, "")
            except (ssl.SSLError, OSError):
                raise ValueError(
                    f"{self.tls_cert} and {self.tls_key} are no certificate chain with its unencrypted key in PEM form"
                ) from None
        return self

    @property
    def retention_days(self) -> dict[str, int]:
        """Days by table, as ``export.retention`` takes them."""
        traces = dict.fromkeys(("otel_traces", "otel_traces_trace_id_ts"), self.traces_days)
        calls = dict.fromkeys(("calls", "call_rollup", "run_rollup", "waste_rollup"), self.calls_days)
        return {**traces, **calls, "facts": self.facts_days}

    @property
    def certificate(self) -> Certificate | None:
        """What the listeners show; ``None`` without TLS."""
        return Certificate(self.tls_cert, self.tls_key) if self.tls_cert and self.tls_key else None

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
    if named:
        _check_is_map(named)
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        setting = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        if not setting:
            raise ConfigError(f"settings: {reason}") from None
        if first["type"] == "extra_forbidden":
            reason = "there is no such setting"
        # What is in a list has no variable of its own: the whole list is one.
        names = takewhile(lambda part: isinstance(part, str), first["loc"])
        variable = f"SPANLEDGER_{'__'.join(map(str, names)).upper()}"
        raise ConfigError(
            f"setting {setting!r}: {reason} (from a flag, {variable} or {named or 'a configuration file'})"
        ) from None
    except SettingsError as error:
        # It names the setting and the source, and nothing of the value.
        raise ConfigError(f"settings: {error} (a map or a list is written as JSON there)") from None


def _check_is_map(named: str) -> None:
    try:
        content = yaml.safe_load(Path(named).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the configuration file {named} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"the configuration file {named} is not YAML: {error}") from None
    if content is not None and not (isinstance(content, dict) and all(isinstance(key, str) for key in content)):
        raise ConfigError(f"the configuration file {named} is no map of settings, such as `data: /var/lib/spanledger`")
