"""Tests of ``cognito_signout._config``."""
