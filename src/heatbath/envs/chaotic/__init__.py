"""Chaotic dynamical systems. What serves the problem `flow` keeps the protocol `Flow` of `envs.chaotic.flow`."""
