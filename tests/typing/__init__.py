"""The types, from the user's side: code that type checkers read and nobody runs.

``python -m tests.typing`` has mypy, pyright, ty and pyrefly read it, those that are installed: ``api.py`` must be right
for each of them, and of ``misuse.py`` each line that says so must be wrong, and no other.
"""
