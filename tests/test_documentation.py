"""Every example in the README, the documentation and the docstrings runs as written."""

from __future__ import annotations

import doctest
import importlib
import json
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

import cognito_signout
from cognito_signout import ServiceError, SignOutError, errors, testing, transports
from cognito_signout._cli.main import main
from cognito_signout._config.options import HONOURED, WITHOUT_EFFECT
from cognito_signout.testing import FakeCognito, FakeCognitoServer
from tests import guides
from tests.pages import CLAIMED, PAGES, ROOT, Page, needs_django, needs_fastapi, needs_jwt, runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

for module in pkgutil.iter_modules(guides.__path__, f"{guides.__name__}."):
    importlib.import_module(module.name)  # so that its tests claim their pages

#: The minimum number of examples on the pages: if the extraction finds none, every other test here passes.
MIN_EXAMPLES = 20
#: The minimum number of docstrings with examples.
MIN_DOCSTRINGS = 6
#: Additional marks for the tests of some pages.
PAGE_MARKS = {
    "docs/guides/fastapi.md": needs_fastapi,
    "docs/guides/django.md": needs_django,
    "docs/guides/authorizer.md": needs_jwt,
}
#: The user in the examples.
USER_POOL_ID, USERNAME = "us-east-1_Ab129faBb", "alice"

pytest_plugins = ["pytester"]


@runs("docs/testing.md")
def test_the_examples_of_the_testing_page_run(
    page: Page, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copied tests fail, or a user of the server sets the wrong variables."""
    run_files(page, pytester, monkeypatch)
    (session,) = page.take("console")
    command, *variables = session.splitlines()
    program, *arguments = command.removeprefix("$ ").split()
    assert program == "python"
    # On any free port, because the default port may be in use.
    with subprocess.Popen([sys.executable, *arguments, "--port", "0"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        printed = [re.sub(r"(127\.0\.0\.1):\d+", r"\1:5757", server.stdout.readline().rstrip("\n")) for _ in variables]
        server.terminate()
    assert printed == variables


@runs("docs/observability.md")
def test_the_examples_of_the_observability_page_run(page: Page, tmp_path: Path) -> None:
    """Copied code logs something other than the page shows."""
    # In a separate process, because an OpenTelemetry provider can't be removed again.
    program = tmp_path / "page.py"
    program.write_text("".join(page.take_snippets()), encoding="utf-8")
    ran = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=True)
    (expected,) = page.take("text")
    stderr = re.sub(r"\d+ ms$", "0 ms", ran.stderr, flags=re.MULTILINE)
    calls = list(dict.fromkeys(re.findall("call ([^,]+),", stderr)))
    assert stderr.replace(calls[0], "3c8e0cd2-…").startswith(expected)


@pytest.mark.parametrize(
    "page",
    [pytest.param(name, marks=PAGE_MARKS.get(name, ())) for name in PAGES if name not in CLAIMED],
    indirect=True,
)
def test_the_examples_of_a_page_run(page: Page, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code copied from the documentation does not work."""
    run_snippets(page, monkeypatch)
    run_files(page, pytester, monkeypatch)
    run_commands(page, pytester.path)
    for text in page.take("json"):
        json.loads(text)


def run_snippets(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the Python snippets in order, in one namespace. This library and boto3 call a fake with the user alice."""
    fake = FakeCognito()
    fake.add_user(user_pool_id=USER_POOL_ID, username=USERNAME)
    names: dict[str, object] = {"__name__": "snippet"}
    with FakeCognitoServer(fake) as server, fake.activate(), monkeypatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        patch.setattr(boto3, "DEFAULT_SESSION", None)  # it may have the keys of another test
        for text in page.take_snippets():
            exec(compile(text, page.name, "exec"), names)  # the snippet is trusted


def run_files(page: Page, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the tests in a page's files. They must all pass with only the files of the page."""
    names = page.take_files(pytester.path)
    if not names:
        return
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    tests = sum(pytester.path.joinpath(name).read_text(encoding="utf-8").count("def test_") for name in names)
    pytester.makeini("[pytest]\nfilterwarnings =\n  error\n  ignore::DeprecationWarning:(boto3|botocore)\n")
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    assert tests > 0
    result.assert_outcomes(passed=tests)


def run_commands(page: Page, directory: Path) -> None:
    """Runs the shell commands against a fake, in a directory with a users.txt that contains alice."""
    commands = page.take("sh")
    if not commands:
        return
    directory.joinpath("users.txt").write_text("alice\n", encoding="utf-8")
    fake = FakeCognito()
    fake.add_user(user_pool_id=USER_POOL_ID, username=USERNAME)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    with FakeCognitoServer(fake) as server:
        environment = {**os.environ, **server.environment, "PATH": path}
        for command in commands:
            subprocess.run(["bash", "-euo", "pipefail", "-c", command], env=environment, cwd=directory, check=True)
    fake.assert_signed_out(user_pool_id=USER_POOL_ID, username=USERNAME)


@pytest.mark.parametrize("name", PAGES)
def test_every_example_is_recognized(name: str) -> None:
    """An example is not run, and no other test notices."""
    page = Page(name)
    assert not page.has_unrecognized_fences
    assert not re.search(r"^ *\.\. (code|code-block|sourcecode|literalinclude)::", page.text, flags=re.MULTILINE)
    assert "# doctest: +SKIP" not in page.text


def test_examples_are_found() -> None:
    """The extraction is broken and the tests above test nothing."""
    assert set(PAGES) >= {"README.md", "docs/index.md", "docs/guides/breach.md"} | CLAIMED
    assert sum(len(Page(name).examples) for name in PAGES) >= MIN_EXAMPLES


def modules() -> Iterator[str]:
    """The names of the package's modules, except commands."""
    for module in pkgutil.walk_packages(cognito_signout.__path__, "cognito_signout."):
        if not module.name.endswith("__main__"):
            yield module.name


def test_the_examples_in_docstrings_run() -> None:
    """Code copied from a docstring does not work."""
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
    """A field is used or ignored without being documented."""
    text = Page("docs/configuration.md").text.partition("## `Config`")[2]
    honoured, _, ignored = text.partition("and ignored:")
    assert all(f"`{name}`" in honoured for name in HONOURED - {"signature_version"})
    assert all(f"`{name}`" in ignored for name in WITHOUT_EFFECT)


def test_every_error_is_documented_correctly() -> None:
    """The documentation of an error is missing or wrong."""
    sections = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", Page("docs/errors.md").text, re.MULTILINE | re.DOTALL))
    assert sorted(sections) == sorted(errors.__all__)
    for name, text in sections.items():
        cls: type[SignOutError] = getattr(errors, name)
        assert all(f"- **{label}:** " in text for label in ("Code", "When", "What to do")), name
        code = re.search(r"\*\*Code:\*\* `(\w+)`", text)
        assert (code is None) == (cls.code == SignOutError.code), name
        assert code is None or code[1] == cls.code, name
        aws_codes = re.search(r"\*\*AWS codes:\*\*([^.;]*)", text)
        listed = [] if aws_codes is None else re.findall(r"`(\w+)`", aws_codes[1])
        assert listed == sorted(aws_code for aws_code, error in errors.BY_AWS_CODE.items() if error is cls), name
        bases = [base.__name__ for base in cls.__bases__ if base not in (SignOutError, ServiceError, Exception)]
        assert all(f"- **Base:** `{base}`" in text for base in bases), name
        retried = re.search(r"\*\*Retried:\*\* (\w+)", text)
        assert retried is not None, name
        assert is_retried(cls) in (None, retried[1] == "yes"), name


def test_the_tree_of_errors_is_the_class_hierarchy() -> None:
    """A reader catches a base class that does not catch the error."""
    tree = Page("docs/errors.md").text.partition("## The classes\n")[2].partition("\n## ")[0]
    items = re.findall(r"^( *)- \[`(\w+)`\]\(#(\w+)\)(?:, also a `(\w+)`)?$", tree, flags=re.MULTILINE)
    assert sorted(name for _, name, _, _ in items) == sorted(errors.__all__)
    parents = [Exception.__name__]  # of each level
    for indentation, name, anchor, other in items:
        level = len(indentation) // 2
        assert [base.__name__ for base in getattr(errors, name).__bases__] == [parents[level], *([other] * bool(other))]
        assert anchor == name.lower()
        parents[level + 1 :] = [name]


def is_retried(cls: type[SignOutError]) -> bool | None:
    """Whether a call is retried after this error. ``None`` if the error is not a response of the service."""
    fake = FakeCognito()
    fake.add_user(user_pool_id=USER_POOL_ID, username=USERNAME)
    try:
        fake.fail(cls)
    except ValueError:
        return None
    try:
        result = fake.client().sign_out(user_pool_id=USER_POOL_ID, username=USERNAME)
    except cls:
        return False
    return result.attempts == 2


@pytest.mark.parametrize("module", [cognito_signout, transports, testing], ids=lambda module: module.__name__)
def test_the_api_reference_lists_every_public_name(module: ModuleType) -> None:
    """A public name has no documentation."""
    pattern = rf"^\.\. currentmodule:: {module.__name__}\n(.*?)(?=^\.\. currentmodule|\Z)"
    (section,) = re.findall(pattern, Page("docs/api.md").text, flags=re.MULTILINE | re.DOTALL)
    documented = re.findall(
        r"^\.\. auto(?:class|exception|data|function):: (\w+)(?:\(\))?$", section, flags=re.MULTILINE
    )
    assert sorted(documented) == sorted(set(module.__all__))


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("docs/")])
def test_every_page_is_in_the_index(name: str) -> None:
    """Readers do not find a page."""
    path = name.removeprefix("docs/")
    index = Page("docs/index.md").text
    assert path == "index.md" or (f"]({path})" in index and f"\n   {path.removesuffix('.md')}\n" in index)


@pytest.mark.parametrize("name", PAGES)
def test_links_between_pages_are_not_dead(name: str) -> None:
    """A page has a dead link."""
    targets = re.findall(r"\]\((?!https?://)([^)#]+)[^)]*\)", Page(name).text)
    missing = [target for target in targets if not ROOT.joinpath(name).parent.joinpath(target).exists()]
    assert not missing


def test_the_command_reference_is_the_help(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An option is missing in the documentation, or described differently."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    documented = (ROOT / "docs/command.md").read_text(encoding="utf-8").split("```text\n")[1].split("```")[0]
    # Python 3.13 formats some lines differently.
    assert documented.split() == shown.split()
