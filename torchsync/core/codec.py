"""Frozen values to JSON documents and back, told by the types of their fields. Pure.

A dataclass becomes an object with its field names as keys, an enum its value, a tuple a list, a mapping an object. A member of a union of
dataclasses carries its tag under `kind`. Reading believes nothing: every field is checked against its declared type and, where its type has
one, against the shape of its text. A key that is missing takes the field's default, so that what an older version stored can still be
read; a key that nobody knows is passed over, so that what a newer version stored can.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

from torchsync.core.jsontext import Json

TAG = "kind"

_T = TypeVar("_T")
_Read = Callable[[object], Any]
"""Raises `_Misfit`. Where in the document it happened is put together on the way up, so that it costs nothing when all is well."""

_KIND_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", NoneType: "null"}


class _Misfit(Exception):
    """A part of the document is not what its type says. `steps` lead to it, from the part outwards."""

    def __init__(self, what: str, *, is_key: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.is_key = is_key
        self.steps: list[str] = []

    def sentence(self, where: str) -> str:
        return f"{'a key of ' if self.is_key else ''}{where}{''.join(reversed(self.steps))} {self.what}"


class Codec:
    """Turns values of one family of dataclasses into documents and back.

    `tags` names the members of unions; `shapes` gives the pattern that the whole text of a `NewType` must match.
    """

    def __init__(self, *, tags: Mapping[type, str] | None = None, shapes: Mapping[object, str] | None = None) -> None:
        self._tags = dict(tags or {})
        self._shapes = {kind: re.compile(pattern) for kind, pattern in (shapes or {}).items()}
        self._fields: dict[type, tuple[Field[Any], ...]] = {}
        self._readers: dict[object, _Read] = {}

    def document(self, value: object, *, leave_out_defaults: bool = False) -> Json:
        """The value as plain JSON. With `leave_out_defaults` fields that hold their default are not in it."""
        if isinstance(value, Enum):
            return self.document(value.value)
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, (tuple, list)):
            return [self.document(item, leave_out_defaults=leave_out_defaults) for item in value]
        if isinstance(value, Mapping):
            return {_key_text(key): self.document(item, leave_out_defaults=leave_out_defaults) for key, item in value.items()}
        return self._object(value, leave_out_defaults)

    def value(self, kind: type[_T], document: object, where: str = "the document") -> _T:
        """The value the document stands for. Raises ValueError with a sentence that names the field when it cannot be one."""
        try:
            result: _T = self._reader(kind)(document)
        except _Misfit as misfit:
            raise ValueError(misfit.sentence(where)) from None
        return result

    def _object(self, value: object, leave_out_defaults: bool) -> Json:
        kind = type(value)
        document: dict[str, Json] = {TAG: self._tags[kind]} if kind in self._tags else {}
        for item in self._fields_of(kind):
            held = getattr(value, item.name)
            if not (leave_out_defaults and _is_default(item, held)):
                document[item.name] = self.document(held, leave_out_defaults=leave_out_defaults)
        return document

    def _fields_of(self, kind: type) -> tuple[Field[Any], ...]:
        if kind not in self._fields:
            self._fields[kind] = fields(kind)
        return self._fields[kind]

    def _reader(self, kind: Any) -> _Read:
        if kind not in self._readers:
            self._readers[kind] = self._make_reader(kind)
        return self._readers[kind]

    def _make_reader(self, kind: Any) -> _Read:
        if isinstance(kind, NewType):
            return self._newtype_reader(kind)
        origin = get_origin(kind)
        if origin in (Union, UnionType):
            return self._union_reader(get_args(kind))
        if origin is tuple:
            return self._tuple_reader(get_args(kind)[0])
        if origin is not None and issubclass(origin, Mapping):
            return self._mapping_reader(*get_args(kind))
        if is_dataclass(kind):
            return self._dataclass_reader(kind)
        return _enum_reader(kind) if issubclass(kind, Enum) else _plain_reader(kind)

    def _newtype_reader(self, kind: NewType) -> _Read:
        inner = self._reader(kind.__supertype__)
        shape = self._shapes.get(kind)

        if shape is None:
            return inner

        def read(document: object) -> object:
            value = inner(document)
            if not shape.fullmatch(value):
                raise _Misfit(f"is not of the form of a {kind.__name__}: {_shown(value)}")
            return value

        return read

    def _tuple_reader(self, item_kind: Any) -> _Read:
        item = self._reader(item_kind)

        def read(document: object) -> object:
            if not isinstance(document, list):
                raise _not_a("a list", document)
            values: list[object] = []
            try:
                for element in document:
                    values.append(item(element))  # noqa: PERF401  # the number of values tells which element does not fit
            except _Misfit as misfit:
                misfit.steps.append(f"[{len(values)}]")
                raise
            return tuple(values)

        return read

    def _mapping_reader(self, key_kind: Any, value_kind: Any) -> _Read:
        key, value = self._reader(key_kind), self._reader(value_kind)

        def read(document: object) -> object:
            if not isinstance(document, dict):
                raise _not_a("an object", document)
            return {_read_key(key, name): _read_at(value, item, name) for name, item in document.items()}

        return read

    def _union_reader(self, kinds: tuple[Any, ...]) -> _Read:
        tagged = {self._tags[kind]: self._reader(kind) for kind in kinds if kind in self._tags}
        plain = next((self._reader(kind) for kind in kinds if kind is not NoneType and kind not in self._tags), None)
        may_be_null = NoneType in kinds

        def read(document: object) -> object:
            if document is None and may_be_null:
                return None
            if plain is not None:
                return plain(document)
            tag = document.get(TAG) if isinstance(document, dict) else None
            if not isinstance(tag, str) or tag not in tagged:
                raise _not_a(f"an object whose {TAG!r} is one of {', '.join(tagged)}", document)
            return tagged[tag](document)

        return read

    def _dataclass_reader(self, kind: Any) -> _Read:
        hints = get_type_hints(kind)
        members = tuple((item.name, self._reader(hints[item.name]), _has_default(item)) for item in self._fields_of(kind))

        def read(document: object) -> object:
            if not isinstance(document, dict):
                raise _not_a("an object", document)
            values: dict[str, object] = {}
            name = ""
            try:
                for name, reader, has_default in members:
                    if name in document:
                        values[name] = reader(document[name])
                    elif not has_default:
                        break
                else:
                    return kind(**values)
            except _Misfit as misfit:
                misfit.steps.append(f".{name}")
                raise
            raise _Misfit(f"lacks {name!r}")

        return read


def _read_key(read: _Read, name: str) -> Any:
    try:
        return read(name)
    except _Misfit as misfit:
        raise _Misfit(misfit.what, is_key=True) from None


def _read_at(read: _Read, document: object, name: str) -> Any:
    try:
        return read(document)
    except _Misfit as misfit:
        misfit.steps.append(f".{name}")
        raise


def _plain_reader(kind: type) -> _Read:
    words = _KIND_WORDS[kind]
    accepted = (int, float) if kind is float else (kind,)

    def read(document: object) -> object:
        if type(document) is kind and kind is not float:
            return document
        if not isinstance(document, accepted) or (isinstance(document, bool) and kind is not bool):
            raise _not_a(words, document)
        if isinstance(document, float) and not math.isfinite(document):
            raise _Misfit("must be a finite number")
        return _as_float(document) if kind is float and isinstance(document, int) else document

    return read


def _as_float(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        raise _Misfit("is too large a number") from None


def _enum_reader(kind: type[Enum]) -> _Read:
    members = {member.value: member for member in kind}

    def read(document: object) -> object:
        if not isinstance(document, str) or document not in members:
            raise _not_a(f"one of {', '.join(members)}", document)
        return members[document]

    return read


def _has_default(item: Field[Any]) -> bool:
    return item.default is not MISSING or item.default_factory is not MISSING


def _is_default(item: Field[Any], held: object) -> bool:
    if item.default_factory is not MISSING:
        return bool(held == item.default_factory())
    return item.default is not MISSING and bool(held == item.default)


def _key_text(key: object) -> str:
    return str(key.value if isinstance(key, Enum) else key)


def _not_a(expected: str, found: object) -> _Misfit:
    return _Misfit(f"must be {expected}, found {_shown(found)}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
