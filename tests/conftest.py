"""Fixtures for all tests: servers (`servers.py`), services (`cluster.py`) and commands (`commands.py`)."""

pytest_plugins = ["tests.servers", "tests.commands"]
