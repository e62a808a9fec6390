"""Tracks that lead from one track to another: bars, players and notes of both, and what is written anew."""
