"""Ash, Adams: On Warm-Starting Neural Network Training."""
