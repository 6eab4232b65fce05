"""Traces of OpenTelemetry, which is imported here only."""
