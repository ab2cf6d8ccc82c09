"""The guides' pages, and the code in their fences."""

from __future__ import annotations

import re
from pathlib import Path

from attrs import field, frozen

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"


@frozen
class Fence:
    """A fenced block of a page.

    Attributes:
        language: What follows the opening fence.
        text: What is in it.
    """

    language: str
    text: str

    @property
    def file_name(self) -> str | None:
        """The name of the file that it is, if its first line says so."""
        match = re.match(r"# (\w+\.py)\n", self.text)
        return None if match is None else match[1]


@frozen
class Guide:
    """A page.

    Attributes:
        name: Its file, without the suffix.
    """

    name: str
    text: str = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "text", GUIDES.joinpath(f"{self.name}.md").read_text(encoding="utf-8"))

    @property
    def fences(self) -> list[Fence]:
        """Its fences, in order."""
        found = re.findall(r"^```(\S+)\n(.+?)^```$", self.text, flags=re.MULTILINE | re.DOTALL)
        return [Fence(language, text) for language, text in found]

    def blocks(self, language: str) -> list[str]:
        """The text of its fences in a language, in order."""
        return [fence.text for fence in self.fences if fence.language == language]

    def write_files(self, directory: Path) -> list[str]:
        """Writes those of its fences that are files into a directory. Returns their names."""
        files = {fence.file_name: fence.text for fence in self.fences if fence.file_name is not None}
        for name, text in files.items():
            directory.joinpath(name).write_text(text, encoding="utf-8")
        return list(files)
