"""Decisions: (state, facts) in, values out. No clock, randomness, I/O or logging."""
