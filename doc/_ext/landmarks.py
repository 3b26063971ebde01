"""What screen readers are told about parts of a page where docutils leaves it open, or is out of date."""


def named(app, name, template, context, doctree):
    """Lists of contents have a name beside the site's own lists; references are entries of their list."""
    body = context.get("body", "")
    body = body.replace('<nav class="contents', '<nav aria-label="Contents" class="contents')
    context["body"] = body.replace(' role="doc-biblioentry"', ' role="listitem"')


def setup(app):
    app.connect("html-page-context", named)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
