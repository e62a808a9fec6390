"""One program for each claim: `python -m benchmarks.NAME` prints JSON lines. Figures and machine: README.md."""
