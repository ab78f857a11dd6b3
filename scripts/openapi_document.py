"""The HTTP surfaces of the agent as OpenAPI documents (https://spec.openapis.org/oas/v3.1.1), made from the schemas of what they answer.

There is one for each surface. That of TCP holds the *public* form of each answer: what a schema does not require is left out of it, and nothing else
may be there, so whoever holds the surface against the document sees that no command, path or actor gets out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from torchsync.adapters.schemas import read_schema

Schema = dict[str, Any]

_RUN_ID = {"type": "string", "pattern": "^[0-9a-f]{12}-[0-9a-f]{8}$"}
_TEXT: Schema = {"type": "string"}
_YES: Schema = {"const": "yes"}
_MOMENT: Schema = {"type": "string", "format": "date-time"}


def public_openapi() -> str:
    """`schemas/openapi.json`: what everybody who reaches the TCP address may read."""
    paths = {
        "/": _asking(_page("The status page", "text/html"), {"still": {**_TEXT, "description": "Given: it does not load itself again."}}),
        "/metrics": _page("The metrics, in the text format of Prometheus or in OpenMetrics", "text/plain", "application/openmetrics-text"),
        "/healthz": _probe("Whether the scheduler turns"),
        "/readyz": _probe("Whether a generation is in force and the remote was reached lately"),
        **{f"/api/v1/{name}": _answer(read_schema(name)["title"], name) for name in ("status", "tasks", "runs")},
    }
    for path in paths.values():
        path["get"]["responses"] = {**_GATE, **path["get"]["responses"], "421": _plain("The Host header names no name of this host")}
        path["get"]["security"] = [{}, {"password": []}]
    schemas = _components("status", "tasks", "runs", is_public=True)
    about = "What the agent shows on `http.listen`. Nothing there changes anything. A password is asked for where agent.yaml says so."
    return _document("torchsync agent", about, paths, schemas, password={"type": "http", "scheme": "basic"})


def _refusal(description: str, **headers: str) -> Schema:
    told = {name.replace("_", "-"): {"description": text, "schema": _TEXT} for name, text in headers.items()}
    return {**_plain(description), "headers": told}


def control_openapi() -> str:
    """`schemas/openapi-control.json`: what the control socket answers to those who may use it."""
    run = _get("A run", {"200": _json({"$ref": "#/components/schemas/runs.run"})})
    output = _page("What a run wrote", "application/octet-stream")
    paths = {
        **{f"/api/v1/{name}": _answer(read_schema(name)["title"], name) for name in ("status", "tasks", "runs")},
        "/api/v1/runs/{run}": _with_run(run),
        "/api/v1/runs/{run}/output": _with_run(_asking(output, {"attempt": {"type": "string", "pattern": "^[0-9]{1,3}$"}})),
        "/api/v1/runs/{run}/tail": _with_run(_asking(_tail(), {"attempt": {"type": "integer"}, "from": {"type": "integer"}})),
        "/api/v1/history": _asking(_answer(read_schema("history")["title"], "history"), _HISTORY),
        "/api/v1/why": _asking(_answer(read_schema("why")["title"], "why"), {"task": _TEXT, "at": _MOMENT}, ("task",)),
        "/api/v1/syncs/{ticket}": _with_ticket("sync"),
        "/api/v1/reloads/{ticket}": _with_ticket("reload"),
        **{f"/api/v1/{name}": _verb(summary, fields, required, answer) for name, (summary, fields, required, answer) in _VERBS.items()},
    }
    for path in paths.values():
        for operation in path.values():
            operation["responses"] |= {
                status: _json({"$ref": "#/components/schemas/error"}) for status in ("400", "403", "404", "409", "503", "504")
            }
    schemas = {**_components("status", "tasks", "runs", "history", "why", is_public=False), **_ANSWERS}
    about = "What the agent answers on `control.sock` to root, its own user and the group torchsync-admin: the API in full, and the verbs."
    return _document("torchsync control socket", about, paths, schemas)


_HISTORY: Mapping[str, Schema] = {
    "task": _TEXT,
    "failed": {"enum": ["true", "false"]},
    "runs": {"enum": ["true", "false"]},
    "since": _MOMENT,
    "until": _MOMENT,
    "skip": {"type": "integer", "minimum": 0},
    "limit": {"type": "integer", "minimum": 1},
}

_WHY = {"reason": _TEXT, "until": {"type": "string", "description": "A length of time such as `2h`, or a moment."}}
_VERBS: Mapping[str, tuple[str, Mapping[str, Schema], tuple[str, ...], str]] = {
    "run": ("Start a run of a task now", {"task": _TEXT}, ("task",), "run-started"),
    "stop": ("End a run, or every run of a task", {"target": _TEXT}, ("target",), "runs-stopping"),
    "sync": ("Sync now", {"allow_removal": _YES}, (), "ticket"),
    "reload": ("Read agent.yaml again, then sync", {}, (), "ticket"),
    "pause": (
        "Hold back syncs, every task, or some",
        {"scope": {"enum": ["sync", "all", "task"]}, "tasks": _TEXT, **_WHY},
        ("scope",),
        "held",
    ),
    "resume": ("End a pause or a drain", {"scope": {"enum": ["sync", "all", "drain", "task"]}, "tasks": _TEXT}, ("scope",), "held"),
    "drain": ("Start nothing new on the host", {"stop": _YES, **_WHY}, (), "held"),
    "pin": ("Keep a revision in force", {"revision": _TEXT, **_WHY}, ("revision",), "held"),
    "unpin": ("Follow the remote again", {}, (), "held"),
    "rollback": ("Go back to the revision before, until a newer commit comes", dict(_WHY), (), "held"),
}


def _object(required: Mapping[str, Schema], **optional: Schema) -> Schema:
    return {"type": "object", "required": [*required], "properties": {**required, **optional}, "additionalProperties": False}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


_TICKET: Schema = {"type": "integer", "minimum": 1}
_ANSWERS: Mapping[str, Schema] = {
    "error": _object({"error": _object({"code": {"type": "string", "pattern": "^TS[0-9]{3}$"}, "message": _TEXT})}),
    "run-started": _object({"run": _RUN_ID}),
    "runs-stopping": _object({"runs": _list(_RUN_ID)}),
    "ticket": _object({"ticket": _TICKET}, waits_ms={"type": "integer"}, paused=_TEXT),
    "held": _object({"sentences": _list(_TEXT), "ticket": {"type": ["integer", "null"]}}),
    "progress": _object(
        {"ticket": _TICKET, "done": {"type": "boolean"}},
        outcome=_TEXT,
        sentence=_TEXT,
        revision={"type": ["string", "null"]},
        problems=_list(_TEXT),
    ),
}


# Operations.


def _get(summary: str, responses: Schema) -> Schema:
    return {"get": {"summary": summary, "responses": responses}}


def _answer(summary: str, name: str) -> Schema:
    return _get(summary, {"200": _json({"$ref": f"#/components/schemas/{name}"})})


def _page(summary: str, *kinds: str) -> Schema:
    return _get(summary, {"200": {"description": summary, "content": {kind: {} for kind in kinds}}})


def _probe(summary: str) -> Schema:
    return _get(
        summary, {"200": _plain("It is so"), "503": _plain("It is not, and the text says why; or `http.basic_auth_file` cannot be read")}
    )


def _plain(description: str) -> Schema:
    return {"description": description, "content": {"text/plain": {}}}


def _json(schema: Schema) -> Schema:
    return {"description": "The answer", "content": {"application/json": {"schema": schema}}}


def _tail() -> Schema:
    found = _page("What an attempt of a run wrote from a place on", "application/octet-stream")
    header = {"description": "Where the next stretch begins", "schema": {"type": "integer"}}
    found["get"]["responses"]["200"]["headers"] = {"Torchsync-Next": header}
    return found


def _verb(summary: str, fields: Mapping[str, Schema], required: tuple[str, ...], answer: str) -> Schema:
    body = {"type": "object", "required": list(required), "properties": dict(fields), "additionalProperties": False}
    status = "200" if answer == "held" else "202"
    responses = {status: _json({"$ref": f"#/components/schemas/{answer}"})}
    content = {"application/json": {"schema": body if required else {k: v for k, v in body.items() if k != "required"}}}
    return {"post": {"summary": summary, "requestBody": {"required": bool(required), "content": content}, "responses": responses}}


def _asking(path: Schema, parameters: Mapping[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    asked = [{"name": name, "in": "query", "required": name in required, "schema": schema} for name, schema in parameters.items()]
    return {"get": {**path["get"], "parameters": [*path["get"].get("parameters", []), *asked]}}


def _with_run(path: Schema) -> Schema:
    return _in_path(path, "run", _RUN_ID)


def _with_ticket(what: str) -> Schema:
    found = _get(f"How far the {what} of the ticket is", {"200": _json({"$ref": "#/components/schemas/progress"})})
    return _in_path(found, "ticket", {"type": "integer", "minimum": 0, "maximum": 999_999_999})


def _in_path(path: Schema, name: str, schema: Schema) -> Schema:
    parameter = {"name": name, "in": "path", "required": True, "schema": schema}
    return {"get": {**path["get"], "parameters": [parameter, *path["get"].get("parameters", [])]}}


# Schemas.


def _components(*names: str, is_public: bool) -> dict[str, Schema]:
    """The schemas and the parts of them that are used, each under a name of its own; without an id, which tools read in different ways."""
    found: dict[str, Schema] = {}
    for name in names:
        schema = dict(read_schema(name))
        parts = {name: schema, **{f"{name}.{part}": one for part, one in schema.pop("$defs", {}).items()}}
        for key in ("$schema", "$id", "examples"):
            schema.pop(key, None)
        found |= {key: _renamed(_public(part) if is_public else part, name) for key, part in parts.items()}
    used = set(names)
    while more := {ref for key in used for ref in _references(found[key])} - used:
        used |= more
    return {key: part for key, part in found.items() if key in used}


def _public(schema: Any) -> Any:
    """The schema without what only the control socket tells: each property that is not required."""
    if isinstance(schema, list):
        return [_public(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _public(value) for key, value in schema.items()}
    if "required" in schema:
        kept["properties"] = {key: value for key, value in kept["properties"].items() if key in schema["required"]}
    return kept


def _renamed(schema: Any, name: str) -> Any:
    if isinstance(schema, list):
        return [_renamed(item, name) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.replace("#/$defs/", f"#/components/schemas/{name}.") if key == "$ref" else _renamed(value, name)
        for key, value in schema.items()
    }


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for item in schema:
            yield from _references(item)
    elif isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].removeprefix("#/components/schemas/")
        for value in schema.values():
            yield from _references(value)


_GATE: Mapping[str, Schema] = {
    "401": _refusal("`http.basic_auth_file` is set, and the request has no user and password of it", WWW_Authenticate="That of RFC 7617"),
    "429": _refusal("Others try passwords just now, or this address has tried too many", Retry_After="Seconds"),
    "503": _plain("`http.basic_auth_file` is set, and cannot be read"),
}


def _document(title: str, description: str, paths: Mapping[str, Schema], schemas: Mapping[str, Schema], **security: Schema) -> str:
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "description": description,
            "version": "1",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {path: _identified(path, item) for path, item in paths.items()},
        "components": {"schemas": schemas, **({"securitySchemes": security} if security else {})},
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _identified(path: str, item: Schema) -> Schema:
    """Each operation with an id: its words, without what is filled in."""
    words = [word for word in path.removeprefix("/api/v1").split("/") if word and not word.startswith("{")] or ["page"]
    one = "One" if path.endswith("}") else ""
    return {method: {"operationId": method + "".join(map(str.capitalize, words)) + one, **rest} for method, rest in item.items()}
