"""What one run is: `check`, `execute`, `steps`, `step_key` and `seconds_per_step` of a spec."""
