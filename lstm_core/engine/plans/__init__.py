"""Choosing the events of plans."""
