"""The guide to FastAPI, beyond its own tests."""

from __future__ import annotations

from typing import Any

from cognito_signout import ErrorEnvelope, SuccessEnvelope, ValidationError
from tests.pages import Page, needs_fastapi


@needs_fastapi
def test_nobody_is_believed_before_tokens_are_verified() -> None:
    """Who forgets to fill in the verification would have an application that believes everyone."""
    from fastapi.testclient import TestClient

    names: dict[str, Any] = {"__name__": "app"}
    (application,) = (fence.text for fence in Page("docs/guides/fastapi.md").fences if fence.file_name == "app.py")
    exec(compile(application, "app.py", "exec"), names)
    with TestClient(names["app"], raise_server_exceptions=False) as browser:
        assert browser.get("/me").status_code == 500
        assert browser.post("/sign-out-everywhere").status_code == 500


@needs_fastapi
def test_a_route_can_be_annotated_with_the_envelopes() -> None:
    """FastAPI refuses the definition of the route: pydantic does not accept every TypedDict."""
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    app = FastAPI()

    def route() -> SuccessEnvelope | ErrorEnvelope:
        return ValidationError("No.").to_envelope()

    app.get("/", response_model=SuccessEnvelope | ErrorEnvelope)(route)
    with TestClient(app) as browser:
        assert browser.get("/").json() == {"success": False, "error": {"code": "VALIDATION_ERROR", "message": "No."}}
