"""What is read of an object stands in its type: nothing is read by name with a value where it is absent."""

from __future__ import annotations

import ast

from tests.sources import modules

FORCED = {
    "cloud/fast/model.py": "transformers sets is_loaded_in_4bit on quantised models alone",
    "cloud/fast/packing.py": "peft wraps some layers and leaves others as they are",
    "cloud/fast/rounding_bound.py": "transformers' configurations name one number differently",
    "connecting.py": "ssl gives a reason to those of its errors that OpenSSL raised",
    "data/images/pixels.py": "Pillow counts frames of those formats alone that may have several",
    "meter/process.py": "psutil tells of ended children on Linux alone",
    "station/storage/database/damage.py": "sqlite3 gives a code to those of its errors that SQLite raised",
    "web/admission/server_certificate.py": "ssl, the system and cryptography name their reasons differently",
}
"""Files where a foreign library leaves no other way, and why."""


def _with_default(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "getattr"
        and len(node.args) == 3
    )


def test_nothing_is_read_by_name_with_a_default_but_what_foreign_libraries_force() -> None:
    found = {
        name
        for name, path in modules()
        if any(_with_default(node) for node in ast.walk(ast.parse(path.read_text())))
    }
    assert found == set(FORCED)
