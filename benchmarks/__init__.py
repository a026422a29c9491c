"""Speed, as ratios within one run: `python -m benchmarks.fit_overhead`, `... .redraw`."""
