"""Every folder may use it: errors for users, separate processes, compiled code, memory, arithmetic."""
