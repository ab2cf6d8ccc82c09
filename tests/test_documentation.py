"""The README, the pages and the docstrings: every example runs, as it stands there."""

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
from cognito_signout._config.options import HONOURED, WITHOUT_EFFECT
from cognito_signout.testing import FakeCognito, FakeCognitoServer
from tests import guides
from tests.pages import CLAIMED, PAGES, ROOT, Page, needs_fastapi, runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

for module in pkgutil.iter_modules(guides.__path__, f"{guides.__name__}."):
    importlib.import_module(module.name)  # whose tests have pages of their own

#: How many examples there are at least: an extraction that finds none would make every test here pass.
MIN_EXAMPLES = 20
MIN_DOCSTRINGS = 6
#: What pages need, beside what all tests do.
NEEDS = {"docs/guides/fastapi.md": needs_fastapi}
#: Whom the examples sign out.
USER_POOL_ID, USERNAME = "us-east-1_Ab129faBb", "alice"

pytest_plugins = ["pytester"]


@runs("docs/testing.md")
def test_the_page_on_testing(page: Page, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of how to test must themselves pass; and who starts the server would set the wrong variables."""
    run_files(page, pytester, monkeypatch)
    (session,) = page.take("console")
    command, *variables = session.splitlines()
    program, *arguments = command.removeprefix("$ ").split()
    assert program == "python"
    # On a port of its own, as the default one may be taken.
    with subprocess.Popen([sys.executable, *arguments, "--port", "0"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        said = [re.sub(r"(127\.0\.0\.1):\d+", r"\1:5757", server.stdout.readline().rstrip("\n")) for _ in variables]
        server.terminate()
    assert said == variables


@runs("docs/observability.md")
def test_the_page_on_observability(page: Page, tmp_path: Path) -> None:
    """Who copies from it would see other logs; in a process of its own, for a provider can't be taken back."""
    program = tmp_path / "page.py"
    program.write_text("".join(page.take_snippets()), encoding="utf-8")
    ran = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=True)
    (shown,) = page.take("text")
    assert re.sub(r"\d+ ms$", "0 ms", ran.stderr, flags=re.MULTILINE).startswith(shown)


@pytest.mark.parametrize(
    "page",
    [pytest.param(name, marks=NEEDS.get(name, ())) for name in PAGES if name not in CLAIMED],
    indirect=True,
)
def test_the_examples_of_a_page_run(page: Page, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who copies from the documentation gets code that works; what is left unrun is left for the reader to find out."""
    run_snippets(page, monkeypatch)
    run_files(page, pytester, monkeypatch)
    run_commands(page, pytester.path)
    for text in page.take("json"):
        json.loads(text)


def run_snippets(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the Python that is no file, in order and in one namespace, on a fake that knows alice; boto3, too."""
    fake = FakeCognito()
    fake.add_user(user_pool_id=USER_POOL_ID, username=USERNAME)
    names: dict[str, object] = {"__name__": "snippet"}
    with FakeCognitoServer(fake) as server, fake.activate(), monkeypatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        patch.setattr(boto3, "DEFAULT_SESSION", None)  # which may have the keys of another test
        for text in page.take_snippets():
            exec(compile(text, page.name, "exec"), names)  # a snippet of ours


def run_files(page: Page, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the tests in a page's files, all of which must pass with nothing but what the page shows."""
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
    """Runs the shell's commands, where there is a list of users that has alice on it, and the fake in AWS's place."""
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
def test_no_example_escapes(name: str) -> None:
    """A fence that is not recognized would be neither run nor missed."""
    page = Page(name)
    assert not page.has_strays
    assert not re.search(r"^ *\.\. (code|code-block|sourcecode|literalinclude)::", page.text, flags=re.MULTILINE)
    assert "# doctest: +SKIP" not in page.text


def test_examples_are_found() -> None:
    """If the extraction breaks, nothing above tests anything."""
    assert set(PAGES) >= {"README.md", "docs/index.md", "docs/guides/breach.md"} | CLAIMED
    assert sum(len(Page(name).examples) for name in PAGES) >= MIN_EXAMPLES


def modules() -> Iterator[str]:
    """The package's modules but for those that are commands."""
    for module in pkgutil.walk_packages(cognito_signout.__path__, "cognito_signout."):
        if not module.name.endswith("__main__"):
            yield module.name


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
    text = Page("docs/configuration.md").text.partition("## `Config`")[2]
    honoured, _, ignored = text.partition("and ignored:")
    assert all(f"`{name}`" in honoured for name in HONOURED - {"signature_version"})
    assert all(f"`{name}`" in ignored for name in WITHOUT_EFFECT)


def test_every_error_has_its_section() -> None:
    """Who looks up an error would not find it, or be told what is not so."""
    sections = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", Page("docs/errors.md").text, re.MULTILINE | re.DOTALL))
    assert sorted(sections) == sorted(errors.__all__)
    for name, text in sections.items():
        cls: type[SignOutError] = getattr(errors, name)
        assert all(f"- **{what}:** " in text for what in ("Code", "When", "What to do")), name
        said = re.search(r"\*\*Code:\*\* `(\w+)`", text)
        assert (said is None) == (cls.code == SignOutError.code), name
        assert said is None or said[1] == cls.code, name
        codes = re.search(r"\*\*AWS codes:\*\*([^.;]*)", text)
        listed = [] if codes is None else re.findall(r"`(\w+)`", codes[1])
        assert listed == sorted(code for code, of in errors.BY_AWS_CODE.items() if of is cls), name
        bases = [base.__name__ for base in cls.__bases__ if base not in (SignOutError, ServiceError, Exception)]
        assert all(f"- **Base:** `{base}`" in text for base in bases), name
        retried = re.search(r"\*\*Retried:\*\* (\w+)", text)
        assert retried is not None, name
        assert is_retried(cls) in (None, retried[1] == "yes"), name


def is_retried(cls: type[SignOutError]) -> bool | None:
    """Whether a call goes on after one request ended in this error; ``None`` if no request can."""
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
def test_the_reference_has_every_public_name(module: ModuleType) -> None:
    """A name that is exported and not described could be anything."""
    pattern = rf"^\.\. currentmodule:: {module.__name__}\n(.*?)(?=^\.\. currentmodule|\Z)"
    (section,) = re.findall(pattern, Page("docs/api.md").text, flags=re.MULTILINE | re.DOTALL)
    described = re.findall(
        r"^\.\. auto(?:class|exception|data|function):: (\w+)(?:\(\))?$", section, flags=re.MULTILINE
    )
    assert sorted(described) == sorted(set(module.__all__))


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("docs/")])
def test_every_page_is_in_the_index(name: str) -> None:
    """A page that is not listed is not found."""
    path = name.removeprefix("docs/")
    index = Page("docs/index.md").text
    assert path == "index.md" or (f"]({path})" in index and f"\n   {path.removesuffix('.md')}\n" in index)


@pytest.mark.parametrize("name", PAGES)
def test_links_between_pages_lead_somewhere(name: str) -> None:
    """A dead link is found by the reader otherwise."""
    targets = re.findall(r"\]\((?!https?://)([^)#]+)[^)]*\)", Page(name).text)
    missing = [target for target in targets if not ROOT.joinpath(name).parent.joinpath(target).exists()]
    assert not missing
