"""Stochastic differential equations of Ito with diagonal noise, their solvers' errors and stiffness in the open."""
