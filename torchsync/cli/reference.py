"""The reference pages of the file formats, made from their schemas: `python -m torchsync.cli.reference --write docs/reference`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torchsync.adapters.schemas import read_schema

PAGES = {"task.md": "task", "torchsync.md": "torchsync", "hosts.md": "hosts", "agent.md": "agent"}
"""The pages, and the schemas they are made from."""

_PARTS = {"fields": "Fields of a task", "host": "Fields of a host"}
_BORROWS = "Repository settings"

MADE = "<!-- Made from the code by `make docs`; changes here are lost. -->"


def render_schema_page(schema: Mapping[str, Any]) -> str:
    """The page of one schema: every field with its meaning, what it may be, its default and an example."""
    lines = [f"# {schema['title']}", "", MADE, "", schema["description"], ""]
    lines += [*_example(schema["examples"][0]), ""]
    lines += _section("Fields", schema["properties"], schema)
    for name, title in _PARTS.items():
        if name in schema.get("$defs", {}) and schema["title"] != _BORROWS:
            lines += _section(title, schema["$defs"][name]["properties"], schema)
    if schema["title"] == _BORROWS:
        lines += ["The fields of `defaults` are [those of a task](task.md#fields-of-a-task)."]
    return "\n".join(lines).rstrip() + "\n"


def stale_pages(folder: Path) -> list[str]:
    """The names of the pages in the folder that are not what the schemas say."""
    return [name for name in PAGES if not (folder / name).exists() or (folder / name).read_text(encoding="utf-8") != _page(name)]


def main(arguments: Sequence[str]) -> int:
    """`--write FOLDER` brings the pages of the folder up to date, `FOLDER` alone says which are not. 1: some were not."""
    folder = Path(arguments[-1] if arguments and arguments[-1] != "--write" else "docs/reference")
    stale = stale_pages(folder)
    for name in stale:
        if "--write" in arguments:
            (folder / name).write_text(_page(name), encoding="utf-8")
        else:
            print(f"{folder / name} is out of date")
    return 1 if stale and "--write" not in arguments else 0


def _page(name: str) -> str:
    return render_schema_page(read_schema(PAGES[name]))


def _section(title: str, properties: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"## {title}", "")
    for name, field in _flattened(properties, ""):
        yield from (f"### `{name}`", "", field["description"], "")
        yield from (f"- {fact}" for fact in _facts(field, root))
        yield from (f"- example: `{_inline(example)}`" for example in field["examples"])
        yield from (f"- since {field['x-since']}", "")


def _flattened(properties: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, field in properties.items():
        yield f"{prefix}{name}", field
        yield from _flattened(field.get("properties", {}), f"{prefix}{name}.")
        yield from _flattened(_inner(field, "additionalProperties"), f"{prefix}{name}.NAME.")
        yield from _flattened(_inner(field, "items"), f"{prefix}{name}[].")


def _inner(field: Mapping[str, Any], keyword: str) -> Mapping[str, Any]:
    """The properties of what the field holds many of: the values of a mapping, or the entries of a list."""
    inner = field.get(keyword)
    found: Mapping[str, Any] = inner.get("properties", {}) if isinstance(inner, Mapping) else {}
    return found


def _facts(field: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[str]:
    described = _target(root, field["$ref"]) if "$ref" in field else field
    yield f"value: {described.get('x-form') or _form(field)}"
    if "maxLength" in field and "pattern" not in field:
        yield f"at most {field['maxLength']:,} characters"
    if field.get("default") not in (None, "", {}):
        yield f"default: `{_inline(field['default'])}`"


def _form(field: Mapping[str, Any]) -> str:
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{choice}`" for choice in field["enum"] if choice is not None)
    kinds = field.get("type", ())
    if "boolean" in kinds:
        return "`true` or `false`"
    if "integer" in kinds or "number" in kinds:
        return f"a {'whole ' * ('integer' in kinds)}number from {field['minimum']:,} to {field['maximum']:,}"
    return "text" if "string" in kinds else "a mapping"


def _target(root: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    target: Mapping[str, Any] = root
    for step in reference.removeprefix("#/").split("/"):
        target = target[step]
    return target


def _example(value: Any) -> Iterator[str]:
    """The value as the YAML a person would write."""
    yield from ("```yaml", *_yaml(value, ""), "```")


def _yaml(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, item in value.items():
        if isinstance(item, dict):
            yield f"{indent}{key}:"
            yield from _yaml(item, f"{indent}  ")
        else:
            yield f"{indent}{key}: {_inline(item)}"


def _inline(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
