"""Fixtures for all tests: local servers (`tests/servers.py`) and the services as processes (`tests/cluster.py`)."""

pytest_plugins = ["tests.servers"]
