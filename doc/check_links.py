"""Check the links between built pages: ``python doc/check_links.py doc/_build/html``.

Every link to a page, a file or a place on a page that does not leave the site must lead somewhere.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

LINKS = {"a": "href", "link": "href", "img": "src", "script": "src"}
# Files that are made beside the pages, for pages without an index of their own.
NOT_PAGES = {"_static", "_sources", "_downloads", "_images"}


class Page(HTMLParser):
    """The places that a page has and the links that leave from it."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.links: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.places |= {values[name] for name in ("id", "name") if values.get(name)}
        link = values.get(LINKS.get(tag, ""))
        if link:
            self.links.append(link)


def dead_links(folder: Path) -> list[str]:
    """A line for each link that leads nowhere."""
    files = [file for file in folder.rglob("*.html") if file.relative_to(folder).parts[0] not in NOT_PAGES]
    pages = {file.resolve(): Page(file) for file in files}
    found = []
    for file, page in pages.items():
        for link in page.links:
            address, place = urldefrag(link)
            if urlsplit(address).scheme or address.startswith("//"):
                continue
            target = (file.parent / unquote(urlsplit(address).path)).resolve() if address else file
            if target.is_dir():
                target /= "index.html"
            lost = target in pages and place and unquote(place) not in pages[target].places
            if lost or not target.exists():
                found.append(f"{file.relative_to(folder.resolve())}: {link}")
    return sorted(set(found))


def main() -> int:
    folder = Path(sys.argv[1])
    if not (folder / "index.html").exists():
        print(f"There are no pages in {folder}.", file=sys.stderr)
        return 2
    found = dead_links(folder)
    print("\n".join([*found, f"{len(found)} links lead nowhere."]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
