"""Tests of ``cognito_signout._cli``."""
