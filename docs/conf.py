"""Sphinx settings. Every warning is an error (``tox -e docs``)."""

project = "livestack"
author = "the livestack authors"
extensions = ["sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {"description": "A live-trading runtime", "fixed_sidebar": True}
html_static_path: list[str] = []
autodoc_member_order = "bysource"
nitpicky = False
