"""Code that uses the library's types. Type checkers read it, and it never runs.

``python -m tests.typing`` runs mypy, pyright, ty and pyrefly, if they are installed. They must accept ``api.py``, and
reject the marked lines of ``misuse.py`` and no others.
"""
