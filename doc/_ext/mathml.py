"""Formulas as MathML, which browsers draw themselves: no script has to be fetched, at build time or later."""

import re
from html import escape

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

logger = logging.getLogger(__name__)


def converted(node, as_block):
    """MathML of a formula; one that cannot be read is shown as it was written, with a warning."""
    formula = node.astext()
    if re.search(r"frac\s*[^{\s]", formula):
        # Two digits would be read as the number above the line, and what follows as that below.
        logger.warning("formula %r: put the parts of a fraction in braces", formula, location=node)
    try:
        return tex2mathml(formula, as_block=as_block)
    except MathError as error:
        logger.warning("formula %r: %s", formula, error, location=node)
        return f"<code>{escape(formula)}</code>"


def visit_inline(translator, node):
    translator.body.append(converted(node, as_block=False))
    raise nodes.SkipNode


def visit_block(translator, node):
    # One that is wider than the page is scrolled by keys as well.
    translator.body.append(f'<div class="formula" tabindex="0">{converted(node, as_block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
