"""The interfaces through which everybody else meets two-player simulations, and through which theirs come in."""
