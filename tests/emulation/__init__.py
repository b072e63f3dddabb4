"""The parts of the emulated accelerator; what a test needs of them is in `tests.accelerator`."""
