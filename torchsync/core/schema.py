"""The check of a loaded document against a JSON Schema, in our own words. Pure.

jsonschema finds what is wrong; the words come from the schema itself: `x-form` says what a value must be. So one file is what editors,
`validate`, the agent and the reference pages go by.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend
from referencing import Registry

from torchsync.core.durations import meant_duration
from torchsync.core.jsontext import Json
from torchsync.core.later import is_later_field
from torchsync.core.remoteurl import redact
from torchsync.core.yamlfault import MOST_FAULTS, Fault, and_more, brief, odd_character, on_one_line
from torchsync.core.yamltext import NAME, Document, Place, Route

_SYNONYMS = {
    "cron": "schedule", "when": "schedule", "tz": "timezone", "cmd": "command", "run": "command", "script": "command",
    "cwd": "working_dir", "workdir": "working_dir", "environment": "env", "concurrency": "max_running", "max_instances": "max_running",
    "machines": "hosts", "servers": "hosts", "targets": "hosts", "disabled": "enabled", "kind": "type", "branch": "ref", "poll": "interval",
}  # fmt: skip
_BOOLEAN_WORDS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_LONGEST_QUOTE = 60
_TOO_MUCH = {"maxLength": "characters", "maxItems": "entries", "maxProperties": "keys"}
_LATER = "take it out, or upgrade torchsync on every host first"


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule of the schema that the value at `route` breaks. For a key that is missing or unknown the route leads to it; for one
    with a bad name it ends in `NAME`. `meant` leads to the key that an unknown one probably stands for, or is empty.
    """

    route: Route
    fault: Fault
    meant: Route = ()


def bad_routes(document: Document, violations: Sequence[Violation]) -> frozenset[Route]:
    """The routes of everything in the document that does not say what it should, or was meant but is not there."""
    meant = {violation.meant for violation in violations if violation.meant and violation.meant not in document.values}
    return document.broken | meant | {violation.route for violation in violations}


class Schema:
    """A JSON Schema (Draft 2020-12), ready to check documents. References lead nowhere but into the schema itself."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._validator = _Validator(schema, registry=Registry())
        self._parts: Mapping[str, Any] = {f"#/$defs/{name}": part for name, part in schema.get("$defs", {}).items()}

    def check(self, document: Document) -> tuple[Violation, ...]:
        """Everything in the document that breaks the schema; what could not be read at all, or is only misspelt, is not told again.

        After `MOST_FAULTS` of them the last one says that the rest was not looked at; its route is that of the whole document.
        """
        found: dict[Route, Violation] = {}
        for error in self._validator.iter_errors(document.value):
            for violation in _violations(error, document, self._parts):
                found.setdefault(violation.route, violation)
                if len(found) == MOST_FAULTS:
                    return (*found.values(), Violation((), and_more(violation.fault)))
        meant = {violation.meant for violation in found.values()} - document.values.keys()
        return tuple(
            violation for route, violation in found.items() if violation.fault.code == "TS110" or route not in document.broken | meant
        )


def newer_fields(document: Document, schema: Mapping[str, Any], version: str) -> Iterator[tuple[Route, str]]:
    """The fields of the document that came after `version`, each with the version it came with, in the order of the document."""
    for route in document.keys:
        since = _since(schema, route)
        if since and version_parts(since) > version_parts(version):
            yield route, since


def has_newer_fields(schema: Mapping[str, Any], version: str) -> bool:
    """Whether the schema has any field that came after `version`."""
    here = schema.get("x-since")
    if isinstance(here, str) and version_parts(here) > version_parts(version):
        return True
    return any(has_newer_fields(part, version) for part in schema.values() if isinstance(part, dict))


def version_parts(text: str) -> tuple[int, int, int]:
    """The version as numbers, for comparison; a part that is not there is 0, and what follows the numbers is passed over."""
    found = re.match(r"([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?", text)
    return (int(found[1]), int(found[2] or 0), int(found[3] or 0)) if found else (0, 0, 0)


def _since(schema: Mapping[str, Any], route: Route) -> str:
    """The version that the field at this route came with; empty where the schema does not say."""
    part: Any = schema
    for step in route:
        part = part.get("properties", {}).get(step) or part.get("additionalProperties") or {}
        if not isinstance(part, dict):
            return ""
        if "$ref" in part:
            part = {**_target(schema, part["$ref"]), **part}
    return str(part.get("x-since", ""))


def _target(schema: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    for step in reference.removeprefix("#/").split("/"):
        schema = schema[step]
    return schema


def field_name(route: Route) -> str:
    """How people call the value at this route: `timeout`, entry 2 of `hosts`, `defaults.owner`; the name of the task is left out."""
    match route:
        case ():
            return "the file"
        case (*_, int(index)):
            return f"entry {index + 1} of {field_name(route[:-1])}"
        case ("tasks", name):
            return f"the task `{brief(str(name))}`"
        case ("tasks", _, *rest):
            return f"`{brief('.'.join(map(str, rest)))}`"
        case _:
            return f"`{brief('.'.join(map(str, route)))}`"


def task_of(route: Route) -> str:
    """The task the route leads into, or an empty text."""
    return str(route[1]) if len(route) > 1 and route[0] == "tasks" else ""


def shown(value: object) -> str:
    """The value as a message quotes it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f'"{brief(redact(value))}"' if len(value) <= _LONGEST_QUOTE else f"a text of {len(value):,} characters"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return "a mapping" if value else "an empty mapping"


def _violations(error: Any, document: Document, parts: Mapping[str, Any]) -> Iterator[Violation]:
    route: Route = tuple(error.absolute_path)
    if "propertyNames" in error.absolute_schema_path:
        name = str(error.instance)
        message, hint = f"{shown(name)} is not {error.schema['x-form']}", _better_name(name, error.schema)
        yield _violation((*route, name, NAME), "TS111", message, document.key_place_of((*route, name)), hint)
    elif error.validator == "additionalProperties":
        for name in error.instance:
            if name not in error.schema["properties"]:
                yield _unknown((*route, name), error.instance[name], _Known(error.schema["properties"], parts), document)
    elif error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                message, hint = f"{field_name(route)} lacks `{name}`", _missing_hint(name, error.schema["properties"][name])
                yield _violation((*route, name), "TS112", message, document.key_place_of(route), hint)
    elif error.validator in _TOO_MUCH:
        what = _TOO_MUCH[error.validator]
        message = f"{field_name(route)} must have at most {error.validator_value:,} {what}, found {len(error.instance):,}"
        yield _violation(route, "TS111", message, document.place_of(route))
    else:
        yield _wrong_value(route, error.instance, error.schema, document)


def _missing_hint(name: str, schema: Mapping[str, Any]) -> str:
    return f"add `{name}: {schema['const']}`" if "const" in schema else f"add `{name}`, {_form(schema)}"


def _better_name(name: str, schema: Mapping[str, Any]) -> str:
    """What to call it instead: a name of the right form that is as near as can be told."""
    for joint in "-_":
        guess = re.sub(r"[^A-Za-z0-9]+", joint, name).strip(joint)
        for better in (guess, guess.lower()):
            if name.isascii() and "=" not in name and len(better) <= schema["maxLength"] and re.search(schema["pattern"], better):
                return f"write `{better}`"
    return odd_character(name) or "choose another name"


@dataclass(frozen=True, slots=True)
class _Known:
    """The fields a mapping may have, and the parts of the schema that they may refer to."""

    fields: Mapping[str, Any]
    parts: Mapping[str, Any]

    def place_for(self, name: str, value: Json) -> str:
        """The field below which `name` belongs, or several with what stands between their names; or an empty text."""
        if "tasks" in self.fields and isinstance(value, dict) and {"command", "schedule"} & value.keys():
            return "tasks"
        below = {field: schema | self.parts.get(schema.get("$ref", ""), {}) for field, schema in self.fields.items()}
        return "` or `".join(field for field, schema in below.items() if name in schema.get("properties", ()))


def _unknown(route: Route, value: Json, here: _Known, document: Document) -> Violation:
    place, name = document.key_place_of(route), str(route[-1])
    if is_later_field(route):
        return _violation(route, "TS113", f"{field_name(route)} is not in this version", place, _LATER)
    synonym = _SYNONYMS.get(name, "")
    known = tuple(here.fields)
    if below := here.place_for(name, value):
        return _violation(route, "TS110", f"unknown field {field_name(route)}", place, f"write it below `{below}`")
    guesses = [synonym] if synonym in known else get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean `{guesses[0]}`?" if guesses else odd_character(name) or f"known here: {', '.join(known)}"
    found = _violation(route, "TS110", f"unknown field {field_name(route)}", place, hint)
    return replace(found, meant=(*route[:-1], guesses[0])) if guesses else found


def _wrong_value(route: Route, value: Json, schema: Mapping[str, Any], document: Document) -> Violation:
    place = document.place_of(route)
    if "const" in schema and isinstance(value, int) and value > schema["const"]:
        message = f"version {value} of the format is not in this version, which reads {schema['const']}"
        return _violation(route, "TS113", message, place, f"write `{schema['const']}`, or upgrade torchsync on every host first")
    message = f"{field_name(route)} must be {_form(schema)}, found {shown(value)}"
    return _violation(route, "TS111", message, place, _hint(value, schema))


def _violation(route: Route, code: str, message: str, place: Place, hint: str = "") -> Violation:
    return Violation(route, Fault(code=code, message=message, line=place.line, column=place.column, hint=on_one_line(hint)))


def _form(schema: Mapping[str, Any]) -> str:
    """What a value must be, in words that follow "must be"."""
    if form := schema.get("x-form"):
        return str(form)
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        choices = [f"`{choice}`" for choice in schema["enum"] if choice is not None]
        return choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"
    return _plain_form(schema)


def _plain_form(schema: Mapping[str, Any]) -> str:
    kinds = schema["type"]
    if "boolean" in kinds:
        return "`true` or `false`"
    if "integer" in kinds or "number" in kinds:
        return f"a {'whole ' * ('integer' in kinds)}number from {schema['minimum']} to {schema['maximum']}"
    if "object" in kinds:
        return f"a mapping with {', '.join(f'`{name}`' for name in schema['properties'])}"
    return f"text of at most {schema['maxLength']:,} characters"


def _hint(value: Json, schema: Mapping[str, Any]) -> str:
    kinds = _kinds(schema)
    if "required" in schema and not isinstance(value, dict):
        return "write lines of the form `key: value`"
    if isinstance(value, str) and len(value) <= _LONGEST_QUOTE:
        return _boolean_hint(value, kinds) or _number_hint(value, schema) or _list_hint(value, schema) or _text_hint(value, schema)
    if "boolean" in kinds and isinstance(value, int):
        return f"write `{str(bool(value)).lower()}`" if value in (0, 1) else ""
    if isinstance(value, (bool, int, float)) and "string" in kinds:
        return _quote_hint(value, schema)
    if isinstance(value, list) and "object" in kinds:
        pairs = [entry.partition("=") for entry in value if isinstance(entry, str) and "=" in entry]
        return f'write a mapping, as in {{{brief(pairs[0][0])}: "{brief(pairs[0][2])}"}}' if pairs else ""
    return f"write [{value}]" if type(value) is int and "array" in kinds else ""


def _kinds(schema: Mapping[str, Any]) -> Sequence[str]:
    kinds = schema.get("type", ())
    return (kinds,) if isinstance(kinds, str) else kinds


def _boolean_hint(value: str, kinds: Sequence[str]) -> str:
    if "boolean" not in kinds:
        return ""
    word = value.lower()
    return f"write `{_BOOLEAN_WORDS[word]}`" if word in _BOOLEAN_WORDS else f"write `{word}`, without quotes" * (word in ("true", "false"))


def _number_hint(value: str, schema: Mapping[str, Any]) -> str:
    """For a number in quotes, where that number would do."""
    low, high = schema.get("minimum", schema.get("const")), schema.get("maximum", schema.get("const"))
    if low is None or not re.fullmatch(r"[0-9]{1,9}", value):
        return ""
    return f"write `{int(value)}`, without quotes" if low <= int(value) <= high else ""


def _list_hint(value: str, schema: Mapping[str, Any]) -> str:
    if "array" not in _kinds(schema) or "string" in _kinds(schema) or not set(value).isdisjoint('"\\') or not value.isprintable():
        return ""
    entries = [entry for entry in re.split(r"[,\s]+", value) if entry]
    if schema["items"]["type"] == "integer":
        return f"write [{', '.join(entries)}]" if all(entry.isdecimal() for entry in entries) else ""
    return "write [{}]".format(", ".join(f'"{entry}"' for entry in entries))


def _text_hint(value: str, schema: Mapping[str, Any]) -> str:
    if "a size" in _form(schema) and (found := re.fullmatch(r"([0-9]+) ?([kmgt])i?b?", value.lower())):
        return f"write `{found[1]}{found[2].upper()}iB`"
    if "a duration" in _form(schema) and (meant := meant_duration(value)):
        return f"write `{meant}`"
    choices = [str(choice) for choice in schema.get("enum", ()) if choice is not None]
    guesses = get_close_matches(value, choices, n=1) or get_close_matches(value.upper(), choices, n=1)
    return f"did you mean `{guesses[0]}`?" if guesses else odd_character(value)


def _quote_hint(value: float | bool, schema: Mapping[str, Any]) -> str:
    if "a duration" in _form(schema):
        return f"write `{value}s` for seconds" if type(value) is int and value >= 0 else ""
    if "a size" in _form(schema):
        return f"write `{value}B` for bytes" if type(value) is int and value >= 0 else ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    fitting = [form for form in (text, f"{text}%") if "pattern" not in schema or re.search(schema["pattern"], form)]
    return f'write "{fitting[0]}"' if fitting else ""


def _check_pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    """As `pattern` of JSON Schema, where `$` is the end of the text and not what Python takes it for."""
    exact = f"{pattern[:-1]}\\Z" if pattern.endswith("$") else pattern
    if isinstance(instance, str) and not re.search(exact, instance):
        yield ValidationError(f"not of the form {pattern}")


def _check_others(validator: Any, others: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """As `additionalProperties` of JSON Schema, in the order of the document: jsonschema's own goes through a set, so the first `MOST_FAULTS`
    would be others in every process. Our schemas have no `patternProperties`.
    """
    names = [name for name in instance if name not in schema.get("properties", ())] if isinstance(instance, dict) else []
    if others is False and names:
        yield ValidationError("unknown keys")
    for name in names if others else ():
        yield from validator.descend(instance[name], others, path=name)


_Validator = extend(Draft202012Validator, {"pattern": _check_pattern, "additionalProperties": _check_others})  # type: ignore[no-untyped-call] # jsonschema leaves it so
