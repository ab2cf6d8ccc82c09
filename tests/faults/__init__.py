"""The fault matrix: the outcome of a call when the network, the server or a proxy fails."""
