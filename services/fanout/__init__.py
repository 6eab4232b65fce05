"""Turns events into deliveries."""
