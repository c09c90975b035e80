"""The one form of answer that can be asked for beside text: the JSON of an explanation.

What is written is always an object of two texts, ``kind`` and ``description``. A schema is served where every
such object fits it, whatever else a client's library puts into it (titles, descriptions, defaults).
"""

from __future__ import annotations

from typing import Any

import msgspec

from saec.service.requests.refusals import RequestRefused

WORDS = frozenset({"kind", "description"})
"""Keys of the object."""

_NOTES = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}
    | {"$schema", "$id", "$comment"}
)
"""Keywords that say something about a value and ask nothing of it."""

_OBJECT = _NOTES | {"type", "properties", "required", "additionalProperties", "$defs", "definitions"}

_REMEDY = 'ask for json_schema with an object of two strings, "kind" and "description", or for text'


class ResponseFormat(msgspec.Struct, forbid_unknown_fields=True):
    """The field ``response_format``."""

    type: str
    json_schema: dict[str, Any] | None = None


def wants_explanation(how: ResponseFormat | None) -> bool:
    """Whether the JSON of an explanation is asked for.

    Raises:
        Refused: 400, another form is asked for.
    """
    if how is None or how.type == "text":
        return False
    if how.type != "json_schema":
        raise _bad(f"response_format {how.type[:40]!r} is not supported")
    schema = (how.json_schema or {}).get("schema")
    if not isinstance(schema, dict):
        raise _bad("response_format holds no schema")
    fields = schema.get("properties")
    if not isinstance(fields, dict) or set(fields) != WORDS or schema.get("type", "object") != "object":
        raise _bad('response_format asks for other fields than "kind" and "description"')
    if more := sorted(set(schema) - _OBJECT):
        raise _bad(f"response_format uses {more[0][:40]!r}, which is not supported")
    required = schema.get("required", [])
    if not isinstance(required, list) or any(name not in fields for name in required):
        raise _bad("response_format requires a field that its properties lack")
    for name, field in fields.items():
        if not _takes_text(field):
            raise _bad(f"response_format does not allow every text as {name!r}")
    return True


def _takes_text(schema: Any) -> bool:
    """Whether every text fits a schema."""
    if not isinstance(schema, dict):
        return schema is True
    asks = set(schema) - _NOTES
    if asks == {"anyOf"}:
        return isinstance(schema["anyOf"], list) and any(_takes_text(one) for one in schema["anyOf"])
    kinds = schema.get("type")
    return asks <= {"type"} and (
        kinds is None or kinds == "string" or (isinstance(kinds, list) and "string" in kinds)
    )


def _bad(what: str) -> RequestRefused:
    return RequestRefused(400, "bad_schema", what, _REMEDY, param="response_format")
