"""The fault matrix: what becomes of a call when the network, or whatever is at its other end, fails."""
