pytest_plugins = ["heatbath.testing"]
