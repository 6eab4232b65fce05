"""Lets customers manage webhooks and read their history."""
