"""Conservation laws with exact solutions: u_t + F_x = 0 in one dimension, with what the integral of u must be.

What serves the problem `conservation-law` keeps the protocol `Law` of `envs.conservation.law`.
"""
