"""The site: `make docs` builds it from docs/, the docstrings and the command line into site/."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from pyq8 import __version__

project = "pyq8"
version = release = __version__
copyright = "the pyq8 authors, Apache-2.0"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.doctest", "sphinx.ext.napoleon", "sphinx_click"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"pyq8 {version}"
html_copy_source = False
html_show_sphinx = False

myst_heading_anchors = 4  # as GitHub makes them, so that one link serves both
myst_enable_extensions = ["deflist"]

default_role = "code"  # docstrings write `name`, as Markdown does
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
smartquotes = False  # an option begins with two hyphens
napoleon_numpy_docstring = False

doctest_global_setup = """
import numpy as np
from pyq8 import Preprocess, QParams
from pyq8.affine import *
from pyq8.types import UINT8
"""
nitpick_ignore_regex = [  # other projects' types: their inventories are on the network
    ("py:.*", r"(collections|concurrent|os|pathlib|typing|numpy|np|npt|ir|onnx_ir|onnxruntime|torch)\..*"),
    ("py:class", r"pyq8\.metrics\.metric\.Outputs"),  # of the hook of reports
    ("py:class", "Optimize"),  # an alias of strings
    ("py:class", r"tuple\[str"),  # Sphinx splits a signature that has a default <factory> at its commas
]


def resolve_by_last_name(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """What a docstring calls `ModelError`, without the module: there is one of each name."""
    from sphinx.util.nodes import make_refnode

    if node.get("refdomain") != "py":
        return None
    name = node["reftarget"].rpartition(".")[2]
    found = [o for key, o in env.domains["py"].objects.items() if key.rpartition(".")[2] == name and not o.aliased]
    if len(found) != 1:
        return None
    return make_refnode(app.builder, node["refdoc"], found[0].docname, found[0].node_id, contnode, name)


def indented_is_literal(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """A formula in a docstring is an indented paragraph, as in Markdown."""
    del app, what, name, obj, options
    text: list[str] = []
    inside = False
    for line in lines:
        if line.startswith("    ") and text and not text[-1] and not inside:
            text += ["::", ""]
        inside = line.startswith("    ") or (inside and not line)
        text.append(line)
    lines[:] = text


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", indented_is_literal, priority=400)  # before Napoleon
    app.connect("missing-reference", resolve_by_last_name)
