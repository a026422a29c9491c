"""What one run is: `execute`, `steps`, `step_key` and `seconds_per_step` of a spec."""
