"""A module's text against a provider's schema: what it writes, and what it reads."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import hcl2

from tests.terraform.provider_schema import Argument, Interface, Schema, camel_case

Body = Mapping[str, Any]

# https://developer.hashicorp.com/terraform/language/meta-arguments
_META = {"count", "depends_on", "for_each", "lifecycle", "provider", "provisioner", "connection"}
_REFERENCE = re.compile(r"\b(data\.)?(aws_\w+)\.(\w+)((?:\[[^][]*(?:\[[^][]*\][^][]*)*\])?)\.(\w+)")
_LOOP = re.compile(r"\bfor (?:\w+, *)?(\w+) in (data\.)?(aws_\w+)\.(\w+) *:(?!:)")


@dataclass(frozen=True)
class Resource:
    """A resource or, with `data.` before its type, a data source."""

    kind: str
    name: str
    body: Body

    @property
    def address(self) -> str:
        return f"{self.kind}.{self.name}"


def resources(text: str) -> list[Resource]:
    """Return the AWS resources and data sources of a file."""
    parsed = hcl2.loads(text)
    return [
        Resource(f"{before}{kind.strip(chr(34))}", name.strip('"'), body)
        for section, before in (("resource", ""), ("data", "data."))
        for entry in parsed.get(section, [])
        for kind, named in entry.items()
        for name, body in named.items()
        if kind.startswith('"aws_')
    ]


def references(text: str) -> set[tuple[str, str]]:
    """Return what a file reads, but by `self`: type, `data.` before a data source, attribute."""
    text = re.sub(r"(?m)(^|\s)(#|//).*$", r"\1", text)
    found = {(f"{data}{kind}", name) for data, kind, _, _, name in _REFERENCE.findall(text)}
    for loop in _LOOP.finditer(text):
        variable, data, kind, _ = loop.groups(default="")
        used = re.findall(rf"\b{variable}\.(\w+)", text[loop.end() :])
        found |= {(f"{data}{kind}", name) for name in used}
    return found


def problems(text: str, schemas: Mapping[str, Schema]) -> list[str]:
    """Return a sentence for everything in a file that a provider with these schemas refuses."""
    said: list[str] = []
    for resource in resources(text):
        schema = schemas.get(resource.kind)
        if schema is None:
            said.append(f"{resource.address}: there is no {resource.kind}")
            continue
        check = _Check(schema, said.append)
        check.body(resource.body, schema.top, resource.address, _META)
        inside = repr(resource.body)
        for name in set(re.findall(r"\bself\.(\w+)", inside)):
            check.read(name, resource.kind)
    for kind, name in sorted(references(text)):
        if kind in schemas:
            _Check(schemas[kind], said.append).read(name, kind)
        else:
            said.append(f"{kind}.….{name}: there is no {kind}")
    return said


@dataclass(frozen=True)
class _Check:
    schema: Schema
    say: Callable[[str], None]

    def body(self, body: Body, interface: Interface, where: str, meta: set[str]) -> None:
        written = set()
        for name, value in _written(body):
            if name in meta:
                continue
            written.add(camel_case(name))
            argument = interface.get(camel_case(name))
            if argument is None:
                self.say(f"{where}: there is no {name}")
            else:
                self._argument(argument, value, f"{where}.{name}")
        for name, argument in interface.items():
            if argument.required and name not in written:
                self.say(f"{where}: {name} is missing")

    def _argument(self, argument: Argument, value: Any, where: str) -> None:
        if _is_blocks(value):
            if argument.block is None:
                self.say(f"{where}: is no block")
                return
            if len(value) > 1 and not argument.many:
                self.say(f"{where}: there can only be one")
            for block in value:
                self.body(block, self.schema.interfaces[argument.block], where, set())
        elif isinstance(value, list) and argument.kind != "list":
            self.say(f"{where}: takes no list")
        elif isinstance(value, dict) and argument.kind != "map":
            self.say(f"{where}: takes no map")

    def read(self, name: str, kind: str) -> None:
        if camel_case(name) not in self.schema.attributes:
            self.say(f"{kind}: has no attribute {name}")


def _is_blocks(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, dict) and "__is_block__" in each for each in value)
    )


def _written(body: Body) -> Iterator[tuple[str, Any]]:
    """Yield name and value of each argument and block; of a dynamic one, its content."""
    for name, value in body.items():
        if name == "dynamic":
            for entry in value:
                for label, dynamic in entry.items():
                    yield label.strip('"'), dynamic["content"]
        elif not name.startswith("__"):
            yield name, value
