"""Sphinx configuration: ``python -m sphinx -W -b html doc doc/_build/html``."""

import re
import sys
from pathlib import Path

from sphinx.addnodes import desc_signature

from sklearn_mdn import __version__

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "sklearn_mdn"
author = "The sklearn_mdn developers"
copyright = f"2026, {author}"
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "numpydoc",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "figures",
    "landmarks",
    "mathml",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "examples", "auto_examples/sg_execution_times.rst", "sg_execution_times.rst"]
default_role = "literal"
# Every reference has to lead somewhere.
nitpicky = True
# Quotes stay as they are in code, of which defaults and types in docstrings are full.
smartquotes = False
html_math_renderer = "mathml"

html_title = html_short_title = "sklearn_mdn"
html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/logo.svg"
# Pages without others below them have no column of them.
html_sidebars = {
    name: [] for name in ("index", "getting_started", "choosing", "defaults", "contributing", "changelog")
}
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "sklearn_mdn", "image_light": "_static/logo.svg", "image_dark": "_static/logo.svg"},
    "header_links_before_dropdown": 5,
    "navbar_align": "left",
    "collapse_navigation": True,
    "navbar_persistent": ["search-button"],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
# Entries of methods in the list beside a class need not name the class again.
toc_object_entries_show_parents = "hide"

autosummary_generate = True
# The class template lists the methods, each with its documentation.
numpydoc_show_class_members = False
# Parameters and returns are described in words; what signatures say is for type checkers.
autodoc_typehints = "none"


def mapped(name, address):
    """An inventory from the network, or else the few entries of it that these pages refer to."""
    return address, (None, str(HERE / "_inventories" / f"{name}.txt"))


intersphinx_mapping = {
    "python": mapped("python", "https://docs.python.org/3/"),
    "sklearn": mapped("sklearn", "https://scikit-learn.org/stable/"),
    "numpy": mapped("numpy", "https://numpy.org/doc/stable/"),
    "scipy": mapped("scipy", "https://docs.scipy.org/doc/scipy/"),
    "torch": mapped("torch", "https://docs.pytorch.org/docs/stable/"),
    "matplotlib": mapped("matplotlib", "https://matplotlib.org/stable/"),
}
intersphinx_timeout = 10

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "abort_on_example_error": True,
    "show_memory": False,
    "write_computation_times": False,
    # What a block ends with is shown if it is a table, a model or a density, not if it was drawn.
    "capture_repr": ("_repr_html_",),
    "doc_module": ("sklearn_mdn",),
    "backreferences_dir": "generated/backreferences",
    "subsection_order": [f"examples/{name}" for name in ("densities", "judging", "tables", "uses")],
    "within_subsection_order": "FileNameSortKey",
    "min_reported_time": 1000,
    "image_srcset": ["2x"],
    "download_all_examples": False,
    "remove_config_comments": True,
}


def skip_member(app, what, name, obj, skip, options):
    """Leave out what every scikit-learn estimator has."""
    function = obj.fget if isinstance(obj, property) else obj
    return skip or str(getattr(function, "__module__", "")).startswith("sklearn.")


def keep_initials(app, what, name, obj, options, lines):
    """Names in references: an initial at the beginning of a line would begin a lettered list."""
    lines[:] = [re.sub(r"^(\s*\.\. \[\d+\] )(?=\w\. )", r"\1\\", line) for line in lines]


def keep_signature(app, domain, objtype, content):
    """Of a function with rules for several types only its own signature, not that of every rule."""
    for signature in list(content.parent.findall(desc_signature))[1:] if objtype == "function" else ():
        content.parent.remove(signature)


def setup(app):
    app.connect("autodoc-skip-member", skip_member)
    app.connect("autodoc-process-docstring", keep_initials, priority=400)  # numpydoc comes after
    app.connect("object-description-transform", keep_signature)
