"""Plugins that watch runs: a progress bar, TensorBoard, and the removal of old checkpoints. Each is one module."""
