"""The README, the pages and the docstrings: every example runs, as it stands there."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import cognito_signout
from cognito_signout._options import HONOURED, WITHOUT_EFFECT
from cognito_signout.testing import FakeCognito

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
#: The pages whose snippets run in a process of their own, in ``test_telemetry.py``.
ELSEWHERE = {"observability.md"}
#: How many examples there are at least: an extraction that finds none would make every test here pass.
MIN_BLOCKS = 11
MIN_DOCSTRINGS = 6

pytest_plugins = ["pytester"]


def blocks_of(page: Path) -> list[str]:
    """The Python in a page's fences."""
    return re.findall(r"^```python\n(.+?)^```$", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def is_file(block: str) -> bool:
    """Whether a block says on its first line that it is a file."""
    return re.match(r"# \w+\.py\n", block) is not None


def modules() -> Iterator[str]:
    """The package's modules but for those that are commands."""
    for module in pkgutil.walk_packages(cognito_signout.__path__, "cognito_signout."):
        if not module.name.endswith("__main__"):
            yield module.name


def test_examples_are_found() -> None:
    """If the extraction breaks, nothing below tests anything."""
    assert sum(len(blocks_of(page)) for page in PAGES) >= MIN_BLOCKS


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in ELSEWHERE], ids=lambda page: page.name)
def test_the_snippets_of_a_page_run_in_order(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who copies from the documentation gets code that works."""
    fake = FakeCognito()
    fake.add_user(user_pool_id="us-east-1_Ab129faBb", username="alice")
    names: dict[str, object] = {"__name__": "snippet"}
    with fake.activate():
        for block in blocks_of(page):
            if not is_file(block):
                exec(compile(block, str(page), "exec"), names)  # a snippet of ours


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(map(is_file, blocks_of(page)))], ids=lambda page: page.name
)
def test_the_files_of_a_page_are_tests_that_pass(
    page: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The examples of how to test must themselves pass, with nothing but what the page shows."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    files = [block for block in blocks_of(page) if is_file(block)]
    for block in files:
        name = block.partition("\n")[0].removeprefix("# ")
        pytester.path.joinpath(name).write_text(block, encoding="utf-8")
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    tests = sum(block.count("def test_") for block in files)
    assert tests >= 9
    result.assert_outcomes(passed=tests)


def test_the_examples_in_docstrings_run() -> None:
    """Public docstrings promise that their examples are run."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    examples = 0
    for name in modules():
        module = importlib.import_module(name)
        for test in finder.find(module, name, globs=dict(vars(module))):
            examples += bool(test.examples)
            result = runner.run(test)
            assert result.failed == 0, f"{test.name}: see the output"
    assert examples >= MIN_DOCSTRINGS


def test_the_page_on_configuration_lists_every_field_of_a_config() -> None:
    """A field that is honoured in silence, or ignored in silence, would surprise."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8").partition("## `Config`")[2]
    honoured, _, ignored = text.partition("and ignored:")
    assert all(f"`{name}`" in honoured for name in HONOURED - {"signature_version"})
    assert all(f"`{name}`" in ignored for name in WITHOUT_EFFECT)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """A dead link is found by the reader otherwise."""
    targets = re.findall(r"\]\((?!https?://)([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing
