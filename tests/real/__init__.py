"""Tests with real servers, proxies and packagers."""
