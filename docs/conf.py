"""How Sphinx makes the documentation's site: ``python -m sphinx -W -n -b html docs docs/_build/html``.

Without a network: nothing is fetched from other sites, so names of the standard library are not links.
"""

from __future__ import annotations

from cognito_signout import __version__

project = "cognito-signout"
author = "the authors of cognito-signout"
copyright = f"2026, {author}"  # noqa: A001 -- Sphinx calls it so
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]

html_theme = "furo"
pygments_dark_style = "github-dark"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"cognito-signout {version}"

# These are no links, as nothing of other sites is fetched: names of the standard library, and what
# FakeCognito.activate() returns, which is to be used as a context manager or a decorator, and by no name of its own.
nitpick_ignore_regex = [
    ("py:class", r"(datetime\.)?(datetime|timedelta)|collections\.abc\.\w+|os\.PathLike"),
    ("py:class", r"cognito_signout\.testing\._runtime\.Activation"),
    ("py:class", r"Self|SignOutOutcome"),  # which older versions of Sphinx do not resolve
]

# Headings are link targets, under the names that forges give them too.
myst_heading_anchors = 3

# A signature that is longer has a line for each argument.
maximum_signature_line_length = 88
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
