"""The store: chDB in process or a ClickHouse server, the same code for both, with an in-memory twin of the ledger."""
