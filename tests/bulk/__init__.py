"""Tests of ``cognito_signout._bulk``."""
