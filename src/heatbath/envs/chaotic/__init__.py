"""Chaotic dynamical systems. What serves the problem `flow` keeps the protocol `Flow` of `heatbath.envs.chaotic.flow`."""
