"""Everybody may use it: errors for users, processes of their own, compiled code, memory, arithmetic."""
