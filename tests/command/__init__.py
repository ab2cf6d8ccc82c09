"""The parts of the command."""
