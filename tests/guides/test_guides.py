"""The guides' pages: no code on them is left unrun, and they are listed."""

from __future__ import annotations

import pytest

from .pages import GUIDES, Guide

#: The languages and the files of each page's fences, all of which are run by the test module of that name.
FENCES = {
    "breach": ["sh"] * 8,
    "fastapi": ["app.py", "test_app.py"],
    "lambda": ["handler.py", "json", "json", "test_handler.py"],
    "many-machines": ["fleet.py", "sh"],
}


def test_every_guide_is_run() -> None:
    """A page that nobody runs tells its readers what no longer holds."""
    assert {page.stem for page in GUIDES.glob("*.md")} == set(FENCES)


@pytest.mark.parametrize("name", FENCES)
def test_every_fence_is_run(name: str) -> None:
    """Code that was added to a page would go untested, or the fences are not found any more."""
    guide = Guide(name)
    assert [fence.file_name or fence.language for fence in guide.fences] == FENCES[name]
    assert guide.text.count("```") == 2 * len(guide.fences)


@pytest.mark.parametrize("name", FENCES)
def test_every_guide_is_in_the_index(name: str) -> None:
    """A page that is not listed is not found."""
    assert f"(guides/{name}.md)" in GUIDES.with_name("index.md").read_text(encoding="utf-8")
