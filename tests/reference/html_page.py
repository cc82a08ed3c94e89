"""What stands in an HTML page, as a reader of the page would find it."""

from __future__ import annotations

from html.parser import HTMLParser

# elements that fetch what their address says; a link is followed when it is clicked
FETCHING = {"src", "srcset", "poster", "data", "action", "background", "xlink:href"}


class PageText(HTMLParser):
    """Tables, texts and addresses of a page.

    Attributes
    ----------
    tables : list of list of list of str
        The cells of each table, row by row; the first row is the head.
    fetched : list of str
        What the page would load.
    links : list of str
        Where links lead.
    tags : list of str
        Every element.
    alts : list of str or None
        The texts for pictures.
    text : str
        All that is read, without scripts and styles.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.alts: list[str | None] = []
        self.ids: list[str] = []
        self.styles = ""
        self._texts: list[str] = []
        self._silent = ""
        self._in_cell = False
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._texts).split())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attributes:
            if name in FETCHING or (name == "href" and tag != "a"):
                self.fetched.append(value or "")
            elif name == "href":
                self.links.append(value or "")
            elif name == "id":
                self.ids.append(value or "")
            elif name == "style":
                self.styles += value or ""
        if tag == "img":
            self.alts.append(dict(attributes).get("alt"))
        if tag in ("script", "style"):
            self._silent = tag
        elif tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables:
            self.tables[-1][-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag == self._silent:
            self._silent = ""
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._silent == "style":
            self.styles += data
        if self._silent:
            return
        self._texts.append(data)
        if self._in_cell:
            self.tables[-1][-1][-1] += data

    def table(self, *heads: str) -> list[list[str]]:
        """Give the rows of the table that begins with these heads."""
        (found,) = [t for t in self.tables if t and tuple(t[0][: len(heads)]) == heads]
        return found[1:]
