"""Tests of ``cognito_signout._call``."""
