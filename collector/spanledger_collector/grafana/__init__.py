"""Grafana's dashboards and alert rules, made from the question library: ``python -m spanledger_collector.grafana``."""
