"""How networks are trained, whatever the paper."""
