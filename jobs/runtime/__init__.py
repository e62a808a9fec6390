"""How jobs run on Ray: local cluster, progress, effort, logs, summaries, recipe files."""
