"""The library with real programs around it."""
