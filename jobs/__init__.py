"""Where the computing runs: one folder a stage, each reads what the last one stored."""
