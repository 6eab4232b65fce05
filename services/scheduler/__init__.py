"""Hands over what is due and finds what was lost."""
