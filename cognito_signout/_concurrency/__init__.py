"""Waiting without blocking an event loop, and starting again in a forked child."""
