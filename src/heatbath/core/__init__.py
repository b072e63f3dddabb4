"""The host: hooks, loading, contracts, config, runs, the loop, the command line and the testing kit."""
