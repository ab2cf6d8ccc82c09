"""The pages of the documentation and their examples. Every example must be run by a test.

Every fenced block of the pages in the root directory and in ``docs/`` is an example. A test takes it from its
:class:`Page` and runs it, unless a comment in the line before says why not:
``<!-- not run: it takes a quarter of an hour -->``. A test gets a page from the fixture ``page``, which fails the test
if it does not take all examples. A test claims pages with ``runs(…)``. The generic test in
``tests/test_documentation.py`` runs all other pages.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import field, frozen

if TYPE_CHECKING:
    from _pytest.mark import MarkDecorator

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
#: The pages in the root directory.
ROOT_PAGES = ["CHANGELOG.md", "CONTRIBUTING.md", "README.md", "SECURITY.md"]
#: All pages, as paths relative to the root directory.
PAGES = [*ROOT_PAGES, *sorted(f"docs/{page.relative_to(DOCS)}" for page in DOCS.glob("**/*.md"))]
#: Skips tests of the page on FastAPI if it is not installed.
needs_fastapi = pytest.mark.skipif(find_spec("fastapi") is None, reason="needs fastapi")
#: The same for Django and PyJWT.
needs_django = pytest.mark.skipif(find_spec("django") is None, reason="needs django")
needs_jwt = pytest.mark.skipif(find_spec("jwt") is None, reason="needs pyjwt")
#: The pages that have their own test.
CLAIMED: set[str] = set()

_FENCE = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<language>[^\s`]+)[^\n`]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
#: Sphinx directives that are not examples. Any other directive counts as an example that must be run.
_DIRECTIVES = {"{eval-rst}", "{include}"}
_FENCE_LINE = re.compile(r"^[ \t>]*(?:```|~~~)", re.MULTILINE)


def runs(*names: str) -> MarkDecorator:
    """Claims pages for a test, which runs once for each page and gets it as the argument ``page``."""
    CLAIMED.update(names)
    return pytest.mark.parametrize("page", names, indirect=True)


@frozen
class Fence:
    """A fenced block of a page.

    Attributes:
        language: The language, from the opening fence.
        text: The content.
        line: The number of the first line.
        reason: Why the block is not run, from the comment before it. ``None`` if there is no comment.
    """

    language: str
    text: str
    line: int
    reason: str | None = None

    @property
    def is_python(self) -> bool:
        """Whether the block is Python code."""
        return self.language in ("py", "python")

    @property
    def is_directive(self) -> bool:
        """Whether the block is a Sphinx directive and not an example."""
        return self.language in _DIRECTIVES

    @property
    def file_name(self) -> str | None:
        """The file name in the first line, or ``None`` if the block is not a file."""
        match = re.match(r"# (\w+\.py)\n", self.text)
        return None if match is None else match[1]


@frozen
class Page:
    """A page of the documentation.

    Attributes:
        name: Its path, relative to the root directory.
        text: Its content.
    """

    name: str
    text: str = field(init=False, repr=False)
    _taken: set[int] = field(init=False, factory=set[int], repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "text", ROOT.joinpath(self.name).read_text(encoding="utf-8"))

    @property
    def fences(self) -> list[Fence]:
        """All fenced blocks, in order."""
        return [
            Fence(
                match["language"], match["text"], self.text.count("\n", 0, match.start("language")) + 1, match["reason"]
            )
            for match in _FENCE.finditer(self.text)
        ]

    @property
    def examples(self) -> list[Fence]:
        """The fenced blocks that must be run, in order."""
        return [fence for fence in self.fences if fence.reason is None and not fence.is_directive]

    @property
    def has_unrecognized_fences(self) -> bool:
        """Whether there are fences that are not recognized: indented, without a language, or not closed."""
        return len(_FENCE_LINE.findall(self.text)) != 2 * len(self.fences)

    def take(self, *languages: str) -> list[str]:
        """Takes the examples in these languages. Returns their content."""
        return [self._take(fence) for fence in self.examples if fence.language in languages]

    def take_snippets(self) -> list[str]:
        """Takes the Python examples that are not files. Returns their content."""
        return [self._take(fence) for fence in self.examples if fence.is_python and fence.file_name is None]

    def take_files(self, directory: Path) -> list[str]:
        """Takes the examples that are files and writes them into a directory. Returns their names."""
        files = {fence.file_name: self._take(fence) for fence in self.examples if fence.file_name is not None}
        for name, text in files.items():
            directory.joinpath(name).write_text(text, encoding="utf-8")
        return list(files)

    @property
    def remaining(self) -> list[Fence]:
        """The examples that have not been taken."""
        return [fence for fence in self.examples if fence.line not in self._taken]

    def _take(self, fence: Fence) -> str:
        self._taken.add(fence.line)
        return fence.text
