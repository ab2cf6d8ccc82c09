"""Runs type checkers on the code in this folder. See the docstring of the package."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: The arguments of each checker, as strict as possible, with one line of output for each error.
CHECKERS = {
    "mypy": ["--strict", "--no-incremental", "--config-file=", "--python-version=3.10"],
    "pyright": ["--pythonversion=3.10"],
    "ty": ["check", "--output-format=concise", "--python-version=3.10"],
    "pyrefly": ["check", "--output-format=min-text", "--python-version=3.10"],
}
#: Finds ``file:line`` in each line of output that has the word ``error``.
ERROR = re.compile(r"^(?=.*\berror\b).*?(\w+\.py):(\d+):", flags=re.MULTILINE | re.IGNORECASE)


def marked(name: str) -> set[tuple[str, int]]:
    """The file's lines that are marked as wrong."""
    lines = HERE.joinpath(name).read_text(encoding="utf-8").splitlines()
    return {(name, number) for number, line in enumerate(lines, 1) if line.endswith("# wrong")}


def check(checker: str, command: str) -> bool:
    """Whether a checker reports the marked lines and no others. Prints the differences."""
    files = ["api.py", "misuse.py"]
    interpreter = {"mypy": "--python-executable", "pyright": "--pythonpath", "ty": "--python"}.get(
        checker, "--python-interpreter-path"
    )
    arguments = [command, *CHECKERS[checker], interpreter, sys.executable, *files]
    ran = subprocess.run(arguments, cwd=HERE, capture_output=True, text=True, check=False)
    found = {(name, int(line)) for name, line in ERROR.findall(ran.stdout)}
    expected = marked("api.py") | marked("misuse.py")
    for name, line in sorted(expected - found):
        print(f"{checker}: {name}:{line} should be an error, but is accepted")
    for name, line in sorted(found - expected):
        print(f"{checker}: {name}:{line} should be accepted, but is an error")
    if found != expected:
        print(ran.stdout, ran.stderr)
    else:
        print(f"{checker}: {len(found)} errors, as expected")
    return found == expected


def main() -> int:
    """Runs every installed checker. Fails if none is installed."""
    scripts = Path(sys.executable).parent
    commands = {checker: shutil.which(checker, path=str(scripts)) or shutil.which(checker) for checker in CHECKERS}
    for checker, command in commands.items():
        if command is None:
            print(f"{checker}: not installed")
    results = [check(checker, command) for checker, command in commands.items() if command is not None]
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
