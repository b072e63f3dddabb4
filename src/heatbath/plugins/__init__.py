"""First-party plugins. Each takes the public road, imports no other, and could leave for a distribution of its own."""
