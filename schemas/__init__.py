"""Data of the store: migrations and price rules, read through ``importlib.resources``."""
