"""`torchsync schema` and `torchsync explain`: what the program itself knows, looked up without a repository and without an agent."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from difflib import get_close_matches

from torchsync.codes import CODES
from torchsync.codetable.row import CodeInfo
from torchsync.core.jsontext import Json
from torchsync.errors import NotFound, Problem

_CODE = re.compile(r"(?:ts)?([0-9]{3})", re.IGNORECASE)


# schema


def add_schema_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="the schema to print (default: list them)")


def execute_schema(args: Namespace) -> int:
    """The schema is on stdout, byte for byte as editors get it; without a name the schemas are listed. Raises NotFound for an unknown name."""
    from torchsync.adapters.schemas import read_schema, read_schema_text, schema_names

    names = schema_names()
    if args.name is None:
        width = max(map(len, names))
        for name in names:
            schema = read_schema(name)
            print(f"{name.ljust(width)}  {schema['title']}: {schema['description']}")
        return 0
    if args.name not in names:
        message = f"there is no schema {args.name!r}"
        raise NotFound("TS353", message, (Problem(code="TS353", message=message, hint=_choices(args.name, names)),))
    print(read_schema_text(args.name), end="")
    return 0


def _choices(name: str, names: tuple[str, ...]) -> str:
    near = get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"


# explain


def add_explain_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("code", nargs="?", metavar="CODE", help="a code such as TS120 (default: list them)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def execute_explain(args: Namespace) -> int:
    """The cause of the code and what to do are on stdout; without a code all are listed. Raises NotFound for an unknown code."""
    chosen = list(CODES.values()) if args.code is None else [_info(args.code)]
    if args.json:
        documents = [_document(info) for info in chosen]
        print(json.dumps(documents if args.code is None else documents[0], indent=2))
        return 0
    for line in map(_brief, chosen) if args.code is None else _told(chosen[0]):
        print(line)
    return 0


def _info(text: str) -> CodeInfo:
    found = _CODE.fullmatch(text.strip())
    info = CODES.get(f"TS{found[1]}") if found else None
    if info is None:
        message = f"there is no code {text!r}"
        raise NotFound("TS353", message, (Problem(code="TS353", message=message, hint="`torchsync explain` lists all of them"),))
    return info


def _brief(info: CodeInfo) -> str:
    return f"{info.code}  {info.title}"


def _told(info: CodeInfo) -> Iterator[str]:
    yield f"{info.code}: {info.title}"
    yield f"  cause:      {info.cause}"
    yield f"  what to do: {info.remedy}"
    if info.reason:
        yield f'  counted as: torchsync_rejections_total{{reason="{info.reason.value}"}}'


def _document(info: CodeInfo) -> Json:
    reason = info.reason.value if info.reason else None
    return {"code": info.code, "title": info.title, "cause": info.cause, "remedy": info.remedy, "reason": reason}
