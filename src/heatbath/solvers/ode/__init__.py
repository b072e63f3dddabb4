"""Ordinary differential equations. The adaptive core comes with the neural-ODE issue; this is the fixed-step part."""
