"""What a sweep was made from, kept with its results: its file, and all files that it names."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import yaml

from foundation.errors import OutputError, SweepError
from rooftile.sweep.sweep import Sweep

#: The copy of the sweep's file, and the folder of those that it names.
FILE, INPUTS = "sweep.yaml", "inputs"
_PLAIN = re.compile(r"[A-Za-z0-9_][\w./-]*", re.ASCII)
#: A value as it stands in a file: what others refer to it by, itself, lines' ends behind it.
_WRITTEN = re.compile(r"((?:&\S+\s+)?)(.*?)(\s*)", re.DOTALL)
#: Keys of a sweep, and of a network, whose values may name files.
_IN_SWEEPS, _IN_NETWORKS = ("hardware", "networks", "space"), ("graph",)


def keep(sweep: Sweep, folder: Path) -> dict[str, str]:
    """Write copies into a folder, so that they name each other; return their digests by name.

    Raises
    ------
    SweepError
        A file that the sweep names isn't there any more.
    OutputError
        A copy can't be written.
    """
    copies = _Copies()
    names = {name: copies.add(Path(path)) for name, path in sweep.files.items()}
    copies.contents[FILE] = renamed(sweep.text, _IN_SWEEPS, names).encode()
    for name, content in copies.contents.items():
        try:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        except OSError as error:
            raise OutputError(f"file '{folder / name}': can't be written ({error})") from None
    return {name: sha256(content).hexdigest() for name, content in copies.contents.items()}


class _Copies:
    """Files that are to be written, by their names in the folder."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self._known: dict[Path, str] = {}

    def add(self, path: Path) -> str:
        """Add a file, and those that it names; return its name from the folder."""
        where = path.resolve()
        if where in self._known:
            return self._known[where]
        try:
            content = path.read_bytes()
        except OSError as error:
            raise SweepError(f"file '{path}': can't be read ({error.strerror})") from None
        number, name = 1, f"{INPUTS}/{path.name}"
        while name in self.contents:
            number += 1
            name = f"{INPUTS}/{number}-{path.name}"
        self._known[where] = name
        self.contents[name] = content  # its name is taken before those of the files that it names
        if path.suffix in (".yaml", ".yml"):
            text = content.decode()
            beside = {
                node.value: Path(self.add(path.parent / node.value)).name
                for node in _scalars(text, _IN_NETWORKS)
            }
            self.contents[name] = renamed(text, _IN_NETWORKS, beside).encode()
        return name


def renamed(text: str, keys: Collection[str], names: Mapping[str, str]) -> str:
    """Return YAML text in which values of some keys are others, and all else is as it was."""
    spans = {
        (node.start_mark.index, node.end_mark.index): names[node.value]
        for node in _scalars(text, keys)
        if node.value in names
    }
    for (start, end), name in sorted(spans.items(), reverse=True):
        match = _WRITTEN.fullmatch(text[start:end])
        assert match is not None, "all of its parts may be empty"
        anchor, _, tail = match.groups()
        written = name if _PLAIN.fullmatch(name) else json.dumps(name)
        text = text[:start] + anchor + written + tail + text[end:]
    return text


def _scalars(text: str, keys: Collection[str]) -> Iterator[yaml.ScalarNode]:
    """Yield the values of some keys, at any depth, and those of lists there."""
    nodes = [(yaml.compose(text, Loader=yaml.SafeLoader), "")]
    while nodes:
        node, key = nodes.pop()
        if isinstance(node, yaml.MappingNode):
            nodes += [(value, str(name.value)) for name, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            nodes += [(value, key) for value in node.value]
        elif isinstance(node, yaml.ScalarNode) and key in keys:
            yield node
