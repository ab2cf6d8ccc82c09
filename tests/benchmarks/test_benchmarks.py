"""The benchmarks run, their reports are correct, and all contestants make the same call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cognito_signout.testing import FakeCognito, FakeCognitoServer

from . import measure, page, report
from .measure import ACCESS_KEY, SECRET_KEY, World, missing
from .rows import ROWS, async_calls, cold_start, many_users, million_users
from .server import respond

if TYPE_CHECKING:
    from .row import Row

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
FINDING = report.Finding(cold_start.ROW, {"ours": [0.1, 0.3, 0.2], "boto3": [1.0], "floor": [0.1]})


def run(*arguments: str) -> str:
    """Runs the command, and returns its output."""
    command = [sys.executable, "-m", "tests.benchmarks", *arguments]
    return subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, encoding="utf-8", env={**os.environ, "PYTHONUTF8": "1"}
    ).stdout


def test_a_quick_run_reports_its_rows() -> None:
    """A script that reads the JSON breaks, because a key has changed."""
    output = json.loads(run("--quick", "--only", "signature", "--only", "memory", "--json"))
    assert set(output) == {"python", "system", "cores", "versions", "left_out", "rows"}
    assert [row["name"] for row in output["rows"]] == ["memory", "signature"]
    for row in output["rows"]:
        assert {"ours", "floor"} <= set(row["medians"])
        assert all(median > 0 for median in row["medians"].values())
        assert all(len(samples) == 3 for samples in row["samples"].values())
        assert set(row["ratios"]) == set(row["medians"]) - {"ours"}
        assert [set(budget) for budget in row["budgets"]] == [{"peer", "at_most", "ratio", "holds"}]
        assert row["limit"] is None


@pytest.fixture
def fake() -> FakeCognito:
    """The fake that verifies the contestants' requests."""
    fake = FakeCognito(access_key=ACCESS_KEY, secret_key=SECRET_KEY)
    for username in ("alice", *(f"user-{number}" for number in range(16))):
        fake.add_user(user_pool_id="us-east-1_Ab129faBb", username=username)
    return fake


def skip_without(package: str | None) -> None:
    """Skips the test if a package is missing."""
    if package is not None:
        pytest.skip(f"{package} is not installed")


@pytest.mark.parametrize("name", cold_start.ROW.contestants)
def test_each_contestant_makes_a_signed_call(name: str, tmp_path: Path, fake: FakeCognito) -> None:
    """A contestant is fast because it does less than the others."""
    skip_without(missing(name))
    (tmp_path / "environment").mkdir()
    with FakeCognitoServer(fake) as server:
        World(server.endpoint_url, server.endpoint_url, tmp_path).seconds(name)
    fake.assert_signed_out(user_pool_id="us-east-1_Ab129faBb", username="alice", times=1)


@pytest.mark.parametrize("name", async_calls.ROW.contestants)
def test_each_contestant_makes_all_concurrent_calls(name: str, tmp_path: Path, fake: FakeCognito) -> None:
    """A contestant is fast because it skips calls or signatures."""
    skip_without(missing(name, async_calls.ROW))
    (tmp_path / "environment").mkdir()
    with FakeCognitoServer(fake) as server:
        World(server.endpoint_url, server.endpoint_url, tmp_path).reported(name, "at-once", 16)
    # The warm-up makes 16 calls, too.
    fake.assert_signed_out(user_pool_id="us-east-1_Ab129faBb", username="alice", times=2 * 16)


@pytest.mark.parametrize("name", many_users.ROW.contestants)
def test_each_contestant_signs_out_every_user(name: str, tmp_path: Path, fake: FakeCognito) -> None:
    """A contestant is fast because it skips users."""
    skip_without(missing(name))
    (tmp_path / "environment").mkdir()
    with FakeCognitoServer(fake) as server:
        World(server.endpoint_url, server.endpoint_url, tmp_path).reported(name, "many", 16)
    for number in range(16):
        fake.assert_signed_out(user_pool_id="us-east-1_Ab129faBb", username=f"user-{number}", times=2)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_can_be_measured(row: Row) -> None:
    """A complete run fails at one row, after minutes."""
    skip_without(missing("ours", row))
    with measure.world() as setup:
        assert row.sample(setup, "ours", True) >= 0


def test_the_table_has_medians_ratios_and_budgets() -> None:
    """The table shows wrong numbers or verdicts."""
    text = report.table([FINDING])
    assert "| 200 ms | 1,000 ms (0.20 ×) |" in text
    assert "≤ 0.36 × boto3: holds, ≤ 0.52 × capo: not measured" in text
    assert "capo" in report.notes([FINDING], cores=2)


def test_an_exceeded_budget_is_reported() -> None:
    """An exceeded budget is reported as held."""
    finding = report.Finding(cold_start.ROW, {"ours": [0.5], "boto3": [1.0]})
    assert finding.holds("boto3") is False
    assert "**missed**" in report.table([finding])


def test_a_higher_rate_is_better() -> None:
    """A slower rate is reported as better."""
    finding = report.Finding(async_calls.ROW, {"ours": [0.0002, 0.0003, 0.0001], "aiobotocore": [0.001]})
    assert finding.holds("aiobotocore") is True
    assert report.Finding(async_calls.ROW, {"ours": [0.0004], "aiobotocore": [0.001]}).holds("aiobotocore") is False
    text = report.table([finding])
    assert "| 5,000 /s | aiobotocore: 1,000 /s (5.00 ×) |" in text
    assert "≥ 2.80 × aiobotocore: holds" in text
    row = json.loads(report.as_json([finding], cores=2))["rows"][0]
    assert [set(budget) for budget in row["budgets"]] == [{"peer", "at_least", "ratio", "holds"}]


@pytest.mark.parametrize(("mebibytes", "verdict"), [(0, "holds"), (8, "holds"), (9, "**missed**")])
def test_a_limit_is_checked_without_a_peer(mebibytes: int, verdict: str) -> None:
    """Memory that grows with the number of users is not reported."""
    finding = report.Finding(million_users.ROW, {"ours": [mebibytes * 1024.0**2]})
    assert f"| ≤ 8.0 MiB: {verdict} " in report.table([finding])
    assert json.loads(report.as_json([finding], cores=2))["rows"][0]["limit"]["holds"] is (verdict == "holds")


def test_the_picture_has_a_bar_for_each_contestant(tmp_path: Path) -> None:
    """Drawing the picture fails after a complete run."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    findings = [FINDING, report.Finding(async_calls.ROW, {"ours": [0.1], "aiobotocore": [0.5], "aiohttp": [0.08]})]
    page.draw(findings, tmp_path / "speed.svg")
    text = (tmp_path / "speed.svg").read_text(encoding="utf-8")
    assert all(label in text for label in ("cold start", "200 ms", "async calls", "10.0 /s", "2.0 /s (aiobotocore)"))


def test_the_page_has_the_markers() -> None:
    """``--write`` fails after a complete run, because it can't find where to write the table."""
    text = (page.DOCS / "speed.md").read_text(encoding="utf-8")
    assert text.index(page.BEGIN) < text.index(page.END)


def test_the_server_accepts_only_complete_signed_requests() -> None:
    """An incomplete or unsigned request is measured as a call."""
    signature = b"a" * 64
    head = b"POST / HTTP/1.1\r\nContent-Length: 2\r\nAuthorization: AWS4-HMAC-SHA256 Credential=x, Signature="
    signed = head + signature + b"\r\n\r\n{}"
    assert respond(signed[:-1]) == (b"", signed[:-1])
    responses, rest = respond(signed + b"POST")
    assert responses.startswith(b"HTTP/1.1 200 OK\r\n")
    assert rest == b"POST"
    assert respond(b"POST / HTTP/1.1\r\n\r\n")[0].startswith(b"HTTP/1.1 403 ")
