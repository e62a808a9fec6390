"""The command `tonemill`."""
