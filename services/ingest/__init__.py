"""Accepts events over HTTP."""
