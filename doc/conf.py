"""Sphinx configuration: ``python -m sphinx -W -b html doc doc/_build/html``."""

from sklearn_mdn import __version__

project = "sklearn_mdn"
author = "The sklearn_mdn developers"
copyright = f"2026, {author}"
version = release = __version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "sphinx_gallery.gen_gallery"]
templates_path = ["_templates"]
exclude_patterns = ["_build", "examples"]
default_role = "literal"
html_static_path = ["_static"]
html_css_files = ["figures.css"]
html_theme = "alabaster"
html_theme_options = {"description": "Mixture density networks for scikit-learn", "page_width": "1000px"}

autosummary_generate = True
# The class template lists the methods, each with its documentation.
numpydoc_show_class_members = False
# Parameters and returns are described in words; what signatures say is for type checkers.
autodoc_typehints = "none"

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "abort_on_example_error": True,
    "show_memory": False,
}


def skip_member(app, what, name, obj, skip, options):
    """Leave out what every scikit-learn estimator has."""
    function = obj.fget if isinstance(obj, property) else obj
    return skip or str(getattr(function, "__module__", "")).startswith("sklearn.")


def setup(app):
    app.connect("autodoc-skip-member", skip_member)
