"""Recurrences z_{t+1} = F(z_t), and the hooks that replace states as they come."""
