"""The guide to AWS Lambda, beyond its own tests: in the environment that Lambda makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import boto3

from tests.moto_pools import MotoPool
from tests.pages import Page

if TYPE_CHECKING:
    from pathlib import Path

NAME = "docs/guides/lambda.md"
#: What Lambda sets: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
LAMBDA = {
    "AWS_ACCESS_KEY_ID": "ASIAEXAMPLE",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_FUNCTION_NAME": "sign-out",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/sign-out",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/22/[$LATEST]0123456789abcdef0123456789abcdef",
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
    "AWS_REGION": "us-east-1",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "AWS_SESSION_TOKEN": "IQoJb3JpZ2luX2VjEXAMPLE",
    "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
    "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
    "LANG": "en_US.UTF-8",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
    "LAMBDA_TASK_ROOT": "/var/task",
    "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "TZ": ":UTC",
    "_HANDLER": "handler.handler",
    "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1",
}

INVOKE = """
import json, sys
from types import SimpleNamespace

context = SimpleNamespace(get_remaining_time_in_millis=lambda: 10_000)
import handler
answer = handler.handler(json.loads(sys.argv[1]), context)
print(json.dumps({"answer": answer, "imports botocore": "botocore" in sys.modules}))
"""


def test_in_lambda_s_environment_it_signs_out_without_botocore(moto_server: str, tmp_path: Path) -> None:
    """What the page says of cold starts would be untrue, or the function would not work on Lambda at all."""
    pool = MotoPool(boto3.client("cognito-idp", region_name="us-east-1", endpoint_url=moto_server))
    pool.add_user("alice")
    refresh_token = pool.sign_in("alice")
    assert pool.refusal_to_refresh(refresh_token) is None
    page = Page(NAME)
    page.take_files(tmp_path)
    event = json.loads(page.take("json")[0]) | {"user_pool_id": pool.id}

    said = subprocess.run(
        [sys.executable, "-c", INVOKE, json.dumps(event)],
        env={**LAMBDA, "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER": moto_server, **_coverage()},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )

    report: dict[str, Any] = json.loads(said.stdout)
    assert report["answer"] == {"success": True}
    assert not report["imports botocore"]
    assert pool.refusal_to_refresh(refresh_token) == "NotAuthorizedException"


def test_the_policy_is_about_the_pool_of_the_event() -> None:
    """Who copies policy and event would be refused, or have permitted more than this one call."""
    event, policy = map(json.loads, Page(NAME).take("json"))
    (statement,) = policy["Statement"]
    assert statement["Action"] == "cognito-idp:AdminUserGlobalSignOut"
    region = event["user_pool_id"].partition("_")[0]
    assert statement["Resource"] == f"arn:aws:cognito-idp:{region}:123456789012:userpool/{event['user_pool_id']}"


def _coverage() -> dict[str, str]:
    """What a measurement of coverage needs in a child process."""
    return {name: value for name, value in os.environ.items() if name.startswith("COV")}
