"""A page that needs nothing but itself: template, styles, script and data of the package become one text of HTML.

What comes from outside enters in two ways only: as text, which jinja2 escapes, or as JSON in a block that browsers do not run. The styles and the
script are files of this package; a Content-Security-Policy names their hashes and lets nothing else in, neither a script of another origin nor an
attribute that is one (https://www.w3.org/TR/CSP3/). `require-trusted-types-for` makes the browser refuse to turn a text into markup.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from torchsync.core.jsontext import Json

ASSETS = files("torchsync.pages") / "assets"

# What changes how the text around it is shown, or is not shown at all: controls, marks of direction, halves of characters.
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


def page(name: str, data: Json = None, *, connect: str = "'none'", **values: object) -> str:
    """The page of the folder `assets/NAME`: its `page.html` filled with `values`, the style sheet of all pages and its own, its scripts in the order
    of their names, and `data`, which the scripts find in the element with the id `data`. `connect` is what the scripts may ask for more:
    `'self'` for the server that sent the page.
    """
    style, script = _style(name), _asset(name, ".js")
    template = _environment().get_template(f"{name}/page.html")
    return template.render(style=style, script=script, policy=_policy(style, script, connect), data=_block(data), **values)


def visible(text: object) -> str:
    """The text with each character that would hide, or turn the text around it, as its number: `U+202E` in angle quotes."""
    return _INVISIBLE.sub(lambda found: f"\u2039U+{ord(found[0]):04X}\u203a", str(text))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("torchsync.pages", "assets"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    del environment.filters["safe"]
    environment.filters["visible"] = visible
    return environment


@cache
def _style(name: str) -> Markup:
    """How every page looks, then what only this one has."""
    return Markup((ASSETS / "look.css").read_text(encoding="utf-8")) + _asset(name, ".css")  # noqa: S704 a file of this package


@cache
def _asset(name: str, ending: str) -> Markup:
    """The files of the folder with that ending, one after the other; scripts as one function, so that they leave no names behind."""
    texts = [
        file.read_text(encoding="utf-8")
        for file in sorted((ASSETS / name).iterdir(), key=lambda file: file.name)
        if file.name.endswith(ending)
    ]
    text = "\n".join(texts)
    return Markup(f'"use strict";\n(() => {{\n{text}}})();\n' if ending == ".js" else text)  # noqa: S704 a file of this package, not a text from outside


def _policy(style: str, script: str, connect: str) -> str:
    rules: Mapping[str, str] = {
        "default-src": "'none'",
        "script-src": _hash(script),
        "style-src": _hash(style),
        "img-src": "data:",
        "connect-src": connect,
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _block(data: Json) -> Markup:
    """JSON without a character that could end its element."""
    return htmlsafe_json_dumps(data, dumps=json.dumps, separators=(",", ":"))
