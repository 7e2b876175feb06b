"""Text → a tree in which every value knows its line, and what may be wrong with a document.

YAML is read with the meaning of YAML 1.2's core schema, of which JSON is a part: ``yes`` and ``2026-01-01`` are text,
only ``true`` and ``false`` are switches. Tags are refused, so nothing in a document can make objects; anchors may be
used, but the expanded document is bounded. ``${NAME}`` is taken from the environment, ``$${`` stands for ``${``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import yaml

Variable = Callable[[str], str | None]
Value = None | bool | int | Decimal | str | list["Node"] | dict[str, "Node"]

MOST_NODES = 200_000  # with every alias expanded; a document of this size has some 30 000 keys
DEEPEST = 12
NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")
WORDS: dict[str, bool | None] = {"": None, "~": None}
WORDS |= {spelling: value for word, value in (("null", None), ("true", True), ("false", False))
          for spelling in (word, word.title(), word.upper())}  # fmt: skip
REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong. ``line`` counts from 1; the message never holds a secret."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class BadDocument(Exception):
    """The document cannot be applied; ``problems`` is sorted and not empty."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("; ".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands. ``borrowed``: made with the environment's help, so never to be quoted."""

    value: Value = field(repr=False)
    line: int
    key_line: int = 0
    borrowed: bool = False


def read(text: str, variable: Variable) -> Node:
    """The document as a tree. ``variable`` looks an environment name up. Raises BadDocument."""
    if _is_json(text):
        text = text.replace("\t", " ")  # YAML allows no tabs between tokens; inside JSON strings they cannot be
    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        raise BadDocument([Problem(mark.line + 1 if mark else 1, f"not valid YAML: {wrong.problem}.")]) from None
    except yaml.reader.ReaderError as wrong:
        line = text.count("\n", 0, wrong.position) + 1
        raise BadDocument([Problem(line, "not valid YAML: a character that is not allowed.")]) from None
    except RecursionError:
        raise BadDocument([Problem(1, "nested too deeply.")]) from None
    if root is None:
        raise BadDocument([Problem(1, "the file is empty.")])
    builder = _Builder(variable)
    tree = builder.build(root, 0)
    if builder.problems:
        raise BadDocument(builder.problems)
    return tree


def plain(text: str) -> bool | int | Decimal | str | None:
    """What an unquoted scalar means: null, true, false, a number, else text."""
    if text in WORDS:
        return WORDS[text]
    if len(text) > 40 or not (number := NUMBER.fullmatch(text)):
        return text
    return Decimal(text) if number[1] or number[2] else int(text)


def escape(text: str) -> str:
    """Text as it must be written so that nothing in it is taken for a reference."""
    return text.replace("${", "$${")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


class _Builder:
    """Nodes of PyYAML → ours. Collects what is wrong and goes on, but for documents that are too large."""

    def __init__(self, variable: Variable) -> None:
        self.variable, self.left = variable, MOST_NODES
        self.problems: list[Problem] = []

    def build(self, node: yaml.Node, depth: int, key_line: int = 0) -> Node:
        line = node.start_mark.line + 1
        self.left -= 1
        if self.left < 0:
            raise BadDocument([Problem(line, "the document is too large (anchors repeat too much of it).")])
        if depth > DEEPEST:
            raise BadDocument([Problem(line, "nested too deeply.")])
        if node.tag not in PLAIN_TAGS:
            self.problems.append(Problem(line, "tags (!) are not allowed."))
        if isinstance(node, yaml.MappingNode):
            return Node(self._mapping(node, depth), line, key_line)
        if isinstance(node, yaml.SequenceNode):
            return Node([self.build(item, depth + 1) for item in node.value], line, key_line)
        assert isinstance(node, yaml.ScalarNode)  # there are three kinds
        value, borrowed = self._scalar(node, line)
        return Node(value, line, key_line, borrowed)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Node]:
        found: dict[str, Node] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append(Problem(line, "a key must be text."))
                continue
            if key.value in found:
                first = found[key.value].key_line
                self.problems.append(Problem(line, f"{key.value!r} is written twice (first on line {first})."))
            found[key.value] = self.build(value, depth + 1, line)
        return found

    def _scalar(self, node: yaml.ScalarNode, line: int) -> tuple[bool | int | Decimal | str | None, bool]:
        if node.style is None and "${" not in node.value:
            return plain(node.value), False
        try:
            text = node.value.encode("utf-16", "surrogatepass").decode("utf-16")  # JSON writes one character as two
        except UnicodeDecodeError:
            self.problems.append(Problem(line, "half of a character (a lone surrogate)."))
            return "", False
        return self._substituted(text, line), "${" in text

    def _substituted(self, text: str, line: int) -> str:
        def one(found: re.Match[str]) -> str:
            if found[0] == "$${":
                return "${"
            if not found[2] or not VARIABLE_NAME.fullmatch(found[1]):
                self.problems.append(Problem(line, "${ needs a variable's name and }; write $${ for a plain ${."))
                return ""
            value = self.variable(found[1])
            if value is None:
                self.problems.append(Problem(line, f"{found[1]} is not set in the environment."))
            return value or ""

        return REFERENCE.sub(one, text)
