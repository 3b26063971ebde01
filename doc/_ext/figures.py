"""Pages of tables that benchmarks wrote: titles become sections, so that long pages have a list of them."""

from docutils import nodes
from sphinx.transforms import SphinxTransform


def title_of(node):
    """The bold words that stand alone over a table."""
    alone = isinstance(node, nodes.paragraph) and len(node) == 1 and isinstance(node[0], nodes.strong)
    return node.astext() if alone else None


class Figures(SphinxTransform):
    default_priority = 500  # before lists of contents are filled

    def apply(self):
        if self.env.docname.startswith("results/"):
            for container in list(self.document.findall(nodes.container)):
                if "figures" in container["classes"]:
                    self.divide(container)

    def divide(self, container):
        parent = container.parent
        parent.remove(container)
        parent["classes"] += [*container["classes"], "titled"]
        top = section = parent
        for node in container.children:
            title = title_of(node)
            if title is None:
                section += node
                continue
            section = nodes.section("", nodes.title(title, title), names=[nodes.fully_normalize_name(title)])
            self.document.note_implicit_target(section, section)
            subject, colon, _ = title.partition(": ")
            if colon and top is not parent and top[0].astext().startswith(subject + colon):
                top += section
            else:
                parent += section
                top = section


def setup(app):
    app.add_transform(Figures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
