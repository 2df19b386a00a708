"""Receiving in processes of their own, for collectors with cores to spare.

::

    client ──▶ receiver process: HTTP or gRPC ▸ parse ▸ screen ──(socket pair)──▶ collector: journal ▸ ledger
           ◀── success, once the collector has it on disk    ◀──

All receivers share the collector's two OTLP ports. One that dies takes its open connections with it, and nothing that
was acknowledged; another is started in its place. When the collector dies, they end.
"""

from spanledger_collector.receivers.pool import Receivers as Receivers
