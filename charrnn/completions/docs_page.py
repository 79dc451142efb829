"""The page of the protocol at `/docs`: what the OpenAPI document says, readable without network and scripts."""

import html
import re
from collections.abc import Mapping
from typing import Any

from charrnn.pages import page, resource

TITLE = "charrnn completions"
LARGE = 2**53
"""A limit from here on is as good as none."""


def docs_page(document: Mapping[str, Any]) -> str:
    """Return the page of an OpenAPI `document`."""
    schemas = document["components"]["schemas"]
    parts = [
        f"<h1>{TITLE}</h1>",
        "<p>OpenAI's completions protocol, in characters. A field of a request that is null, or is left out, has its "
        'default. For programs: <a href="/openapi.json">openapi.json</a>.</p>',
    ]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts.append(_operation(path, method, operation, schemas))
    return page(TITLE, f"<main>{''.join(parts)}</main>", styles=[resource("docs.css", __package__)], scripts=[])


def _operation(path: str, method: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    parts = [f"<h2><code>{method.upper()} {html.escape(path)}</code></h2>", _paragraph(operation["description"])]
    body = operation.get("requestBody")
    if body:
        parts.append(_fields("Fields of the request", _schema(body, schemas)))
    answers = operation["responses"]
    codes = ", ".join(f"{html.escape(code)} ({html.escape(answer['description'])})" for code, answer in answers.items())
    parts.append(f"<p>Answers: {codes}.</p>")
    answer = _schema(answers["200"], schemas)
    if answer.get("properties"):
        parts.append(_fields("Fields of the answer", answer))
    return f"<section>{''.join(parts)}</section>"


def _schema(holder: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    schema = holder.get("content", {}).get("application/json", {}).get("schema", {})
    found: Mapping[str, Any] = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found


def _fields(title: str, schema: Mapping[str, Any]) -> str:
    required = schema.get("required", [])
    rows = "".join(
        f"<tr><th scope=row><code>{html.escape(name)}</code></th>"
        f"<td>{_kind(field)}{' (required)' if name in required else ''}</td>"
        f"<td>{_prose(field.get('description', ''))}</td></tr>"
        for name, field in schema["properties"].items()
    )
    head = "<thead><tr><th scope=col>field</th><th scope=col>holds</th><th scope=col>what it does</th></tr></thead>"
    return f"<div class=scroll><table><caption>{title}</caption>{head}<tbody>{rows}</tbody></table></div>"


def _kind(field: Mapping[str, Any]) -> str:
    """Return in words what a field may hold."""
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_kind(one) for one in field["anyOf"] if one.get("type") != "null")) or "null"
    if "$ref" in field:
        return html.escape(field["$ref"].rpartition("/")[2])
    if "const" in field or "enum" in field:
        return html.escape(", ".join(f'"{one}"' for one in field.get("enum", [field.get("const")])))
    kind = {"array": "list", "object": "object", "null": "null"}.get(field.get("type", ""), field.get("type", "any"))
    if kind == "list":
        return f"list of {_kind(field['items'])}"
    low, high = field.get("minimum", field.get("exclusiveMinimum")), field.get("maximum", field.get("exclusiveMaximum"))
    if low is not None and low == high:
        return f"{low:g}"
    if low is not None and high is not None and high < LARGE:
        return f"{kind}, {low:,g} to {high:,g}"
    return html.escape(kind if low is None else f"{kind}, from {low:g}")


def _paragraph(text: str) -> str:
    return "".join(f"<p>{_prose(part)}</p>" for part in text.split("\n\n"))


def _prose(text: str) -> str:
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(" ".join(text.split())))
