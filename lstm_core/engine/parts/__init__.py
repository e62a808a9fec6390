"""Choosing the events of parts."""
