"""Samples become notes and beats, and these a Score."""
