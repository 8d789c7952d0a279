"""What is in a page: its elements, its text, its data; and what a page must not do."""

import base64
import json
from html.parser import HTMLParser
from typing import Any

import numpy as np

VOID = {"meta", "link", "input", "br", "hr", "img"}
"""Elements that have no end."""
LOADING = {"src", "href", "xlink:href", "srcset", "data", "action", "poster"}


class Page(HTMLParser):
    """Refuses elements that are not closed in order; keeps ids, loads, headings and text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.parts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open:
            self.parts.append((self.open[-1], data))

    @property
    def ids(self) -> list[str]:
        return [str(attributes["id"]) for _, attributes in self.elements if "id" in attributes]

    @property
    def loads(self) -> list[str]:
        """Everything that a browser could fetch from outside the page."""
        values = [str(a[name]) for _, a in self.elements for name in LOADING & a.keys()]
        return [value for value in values if not value.startswith(("#", "data:"))]

    @property
    def text(self) -> str:
        """What a reader sees."""
        return " ".join(" ".join(text for tag, text in self.parts if tag not in ("script", "style")).split())

    @property
    def data(self) -> Any:
        """What the page's script works on."""
        return json.loads(next(text for tag, text in self.parts if tag == "script"))


def column(run: dict[str, Any], name: str) -> np.ndarray:
    """A column of the units' data, as the page's script reads it."""
    found = next(column for column in run["columns"] if column["name"] == name)
    return np.frombuffer(base64.b64decode(found["data"]), np.uint8 if found["flag"] else "<f4")
