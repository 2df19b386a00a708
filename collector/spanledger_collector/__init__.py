"""The collector: OTLP in, an honest ledger out. Started by ``spanledger serve``; see ``pipeline`` for its order."""
