"""Speed, as ratios within one run: `python -m benchmarks` for all, `... -m benchmarks.NAME`."""
