"""Every table and figure of the papers, one command each: `python -m experiments list`."""
