"""Operators' commands, one file per noun: `python -m services.cli`."""
