"""Tests of the fake that this library ships."""
