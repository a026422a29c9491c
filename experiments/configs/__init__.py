"""One module a table or figure; each defines `EXPERIMENT`."""
