"""Two-player simulations: a protagonist acts, an adversary disturbs, both at once, many simulations at a time."""
