"""The guide to FastAPI."""

from __future__ import annotations

from typing import Any

import pytest

from .pages import Guide

pytest.importorskip("fastapi")
pytest_plugins = ["pytester"]


def test_the_application_passes_its_tests(pytester: pytest.Pytester) -> None:
    """Who builds the button from the page gets one that does not work, or tests that do not pass."""
    files = Guide("fastapi").write_files(pytester.path)
    tests = sum(pytester.path.joinpath(name).read_text(encoding="utf-8").count("def test_") for name in files)
    result = pytester.runpytest_subprocess("-q", "-W", "error", "-p", "no:cacheprovider")
    assert tests == 5
    result.assert_outcomes(passed=tests)


def test_nobody_is_believed_before_tokens_are_verified() -> None:
    """Who forgets to fill in the verification would have an application that believes everyone."""
    from fastapi.testclient import TestClient

    names: dict[str, Any] = {"__name__": "app"}
    (application,) = (fence.text for fence in Guide("fastapi").fences if fence.file_name == "app.py")
    exec(compile(application, "app.py", "exec"), names)
    with TestClient(names["app"], raise_server_exceptions=False) as browser:
        assert browser.get("/me").status_code == 500
        assert browser.post("/sign-out-everywhere").status_code == 500
