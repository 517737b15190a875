"""Reads XML so that what is wrong is reported with its file, its element, what was expected."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

from mtopt_sim.description import transform
from mtopt_spec.errors import InputError

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


class WorldFileError(InputError):
    """A world, model or URDF file that cannot be used."""


class Element:
    """An XML element that knows its file and its place in it."""

    def __init__(self, node: ElementTree.Element, file: Path, parents: str = ""):
        self._node = node
        self.file = file
        name = node.get("name") or node.findtext("name")
        label = f"{node.tag}[{name}]" if name else node.tag
        self.place = f"{parents}/{label}"

    @property
    def tag(self) -> str:
        """The element's name."""
        return self._node.tag

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of its attributes."""
        return tuple(self._node.attrib)

    def fail(self, got: object, expected: object, todo: str = "") -> WorldFileError:
        """An error about this element, to raise."""
        where = f"{self.file}, element {self.place}"
        return WorldFileError("world file", where=where, got=got, expected=expected, todo=todo)

    def attribute(self, name: str, default: str | None = None) -> str:
        """An attribute's text; without a default it must be there."""
        value = self._node.get(name, default)
        if value is None:
            raise self.fail(f"no attribute {name!r}", f"{name}=...")
        return value

    def children(self, tag: str) -> list[Element]:
        """All children of this tag."""
        return [Element(node, self.file, self.place) for node in self._node.findall(tag)]

    def all_children(self) -> list[Element]:
        """All children."""
        return [Element(node, self.file, self.place) for node in self._node]

    def only_child(self) -> Element:
        """Its one child."""
        children = self.all_children()
        if len(children) != 1:
            raise self.fail([child.tag for child in children], "one element")
        return children[0]

    def find(self, path: str) -> Element | None:
        """A descendant by path (`surface/friction`), or None."""
        element: Element | None = self
        for tag in path.split("/"):
            found = element._node.find(tag)
            if found is None:
                return None
            element = Element(found, self.file, element.place)
        return element

    def need(self, path: str) -> Element:
        """A descendant by path that must be there."""
        found = self.find(path)
        if found is None:
            raise self.fail(f"no <{path}>", f"an element <{path}>")
        return found

    def text(self, path: str | None = None, default: str | None = None) -> str:
        """The text of this element or of a descendant."""
        element = self if path is None else self.find(path)
        if element is None or not (element._node.text or "").strip():
            if default is None:
                raise self.fail(f"no text in <{path or self.tag}>", "a value")
            return default
        return element._node.text.strip()

    def numbers(self, count: int, path: str | None = None, default=None) -> np.ndarray:
        """(count,) finite floats from the text of this element or of a descendant."""
        element = self if path is None else self.find(path)
        if element is None:
            if default is None:
                raise self.fail(f"no <{path}>", f"{count} numbers")
            return np.asarray(default, float)
        return element._parse(element._node.text or "", count)

    def number(self, path: str | None = None, default: float | None = None) -> float:
        """One finite float from the text of this element or of a descendant."""
        return float(self.numbers(1, path, None if default is None else [default])[0])

    def attribute_numbers(self, name: str, count: int, default: str | None = None) -> np.ndarray:
        """(count,) finite floats from an attribute."""
        return self._parse(self.attribute(name, default), count)

    def flag(self, path: str, default: bool) -> bool:
        """A descendant's true or false."""
        return self._flag(self.text(path, str(default).lower()))

    def pose(self) -> np.ndarray:
        """(4, 4) of an SDF element's `<pose>`, relative to whatever; without one, identity."""
        pose = self.find("pose")
        if pose is None:
            return np.eye(4)
        values = pose.numbers(6)
        if pose._flag(pose.attribute("degrees", "false")):
            values[3:] = np.deg2rad(values[3:])
        return transform(values[:3], values[3:])

    def _flag(self, text: str) -> bool:
        if text not in _FLAGS:
            raise self.fail(repr(text), "true or false")
        return _FLAGS[text]

    def _parse(self, text: str, count: int) -> np.ndarray:
        try:
            values = np.array([float(word) for word in text.split()])
        except ValueError:
            raise self.fail(repr(text), f"{count} numbers") from None
        if values.shape != (count,) or not np.all(np.isfinite(values)):
            raise self.fail(repr(text), f"{count} finite numbers")
        return values


def read_xml(path: Path, root_tag: str) -> Element:
    """The root element of an XML file.

    Raises:
        WorldFileError: The file is missing, is no XML, or has another root.
    """
    try:
        root = ElementTree.fromstring(Path(path).read_bytes())
    except (FileNotFoundError, IsADirectoryError):
        raise WorldFileError("world file", where=path, got="no file", expected="a file") from None
    except ElementTree.ParseError as error:
        raise WorldFileError(
            "world file", where=path, got=f"{error}", expected="well-formed XML"
        ) from error
    if root.tag != root_tag:
        raise WorldFileError(
            "world file", where=path, got=f"<{root.tag}>", expected=f"the root <{root_tag}>"
        )
    return Element(root, Path(path))
