"""Usernames and secrets are sent only to their intended recipient, and are shown nowhere."""
