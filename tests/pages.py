"""The pages of the documentation, and how it is known that nothing on them is left unrun.

Every fenced block of the pages at the top and in ``docs/`` is an example: a test takes it off its :class:`Page` and
runs it, or a comment in the line before it says why not: ``<!-- not run: it takes a quarter of an hour -->``. Pages
come to a test as the fixture ``page``, which fails the test if it leaves an example on the page. Those that a test
``runs(…)`` are its own; all others are run by ``tests/test_documentation.py``, in the way that fits most of them.
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
#: All pages, by their paths from the top, where some are.
TOP = ["CHANGELOG.md", "CONTRIBUTING.md", "README.md", "SECURITY.md"]
PAGES = [*TOP, *sorted(f"docs/{page.relative_to(DOCS)}" for page in DOCS.glob("**/*.md"))]
#: For tests of the page on FastAPI.
needs_fastapi = pytest.mark.skipif(find_spec("fastapi") is None, reason="needs fastapi")
#: The pages that a test has for its own.
CLAIMED: set[str] = set()

_FENCE = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<language>[^\s`]+)[^\n`]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
#: What Sphinx makes of these is no example. All else that is written as a directive would go unrun.
_DIRECTIVES = {"{eval-rst}", "{include}"}
_FENCE_LINE = re.compile(r"^[ \t>]*(?:```|~~~)", re.MULTILINE)


def runs(*names: str) -> MarkDecorator:
    """Gives a test these pages for its own, one after the other, as its argument ``page``."""
    CLAIMED.update(names)
    return pytest.mark.parametrize("page", names, indirect=True)


@frozen
class Fence:
    """A fenced block of a page.

    Attributes:
        language: What follows the opening fence.
        text: What is in it.
        line: The number of its first line.
        reason: Why it is not run, if a comment says so.
    """

    language: str
    text: str
    line: int
    reason: str | None = None

    @property
    def is_python(self) -> bool:
        """Whether it is Python."""
        return self.language in ("py", "python")

    @property
    def is_directive(self) -> bool:
        """Whether it is Sphinx's, and no example."""
        return self.language in _DIRECTIVES

    @property
    def file_name(self) -> str | None:
        """The name of the file that it is, if its first line says so."""
        match = re.match(r"# (\w+\.py)\n", self.text)
        return None if match is None else match[1]


@frozen
class Page:
    """A page, from which examples are taken.

    Attributes:
        name: Its path from the top.
        text: What it says.
    """

    name: str
    text: str = field(init=False, repr=False)
    _taken: set[int] = field(init=False, factory=set[int], repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "text", ROOT.joinpath(self.name).read_text(encoding="utf-8"))

    @property
    def fences(self) -> list[Fence]:
        """Its fences, in order."""
        return [
            Fence(
                match["language"], match["text"], self.text.count("\n", 0, match.start("language")) + 1, match["reason"]
            )
            for match in _FENCE.finditer(self.text)
        ]

    @property
    def examples(self) -> list[Fence]:
        """Those that are to be run, in order."""
        return [fence for fence in self.fences if fence.reason is None and not fence.is_directive]

    @property
    def has_strays(self) -> bool:
        """Whether there are fences that were not recognized: indented, without a language, or not closed."""
        return len(_FENCE_LINE.findall(self.text)) != 2 * len(self.fences)

    def take(self, *languages: str) -> list[str]:
        """Takes its examples in a language. Returns what is in them."""
        return [self._take(fence) for fence in self.examples if fence.language in languages]

    def take_snippets(self) -> list[str]:
        """Takes the Python that is no file. Returns what is in it."""
        return [self._take(fence) for fence in self.examples if fence.is_python and fence.file_name is None]

    def take_files(self, directory: Path) -> list[str]:
        """Takes those of its examples that are files, and writes them into a directory. Returns their names."""
        files = {fence.file_name: self._take(fence) for fence in self.examples if fence.file_name is not None}
        for name, text in files.items():
            directory.joinpath(name).write_text(text, encoding="utf-8")
        return list(files)

    @property
    def left(self) -> list[Fence]:
        """The examples that nobody has taken."""
        return [fence for fence in self.examples if fence.line not in self._taken]

    def _take(self, fence: Fence) -> str:
        self._taken.add(fence.line)
        return fence.text
