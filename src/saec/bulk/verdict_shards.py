"""Verdicts as Parquet files, for tools that read tables: one file for so many of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from saec.bulk.archive.containers import PARQUET
from saec.bulk.archive.listed_frames import missing_package
from saec.types import VerdictRecord

SHARDS_FOLDER = "verdicts"
SHARD_ROWS = 10_000

_COLUMNS = {
    "id": "string",
    "path": "string",
    "sha256": "string",
    "line": "string",
    "time": "float64",
    "seq": "int64",
    "label": "int8",
    "state": "string",
    "replaces": "bool",
    "score": "float64",
    "p_defect": "float64",
    "kind": "string",
    "kind_confidence": "float64",
    "decided_by": "string",
    "reason": "string",
    "complexity": "float64",
    "note": "string",
}
"""Fields of a verdict that are columns by their names, with pyarrow's name of their types."""

_INNER = {
    "route": "string",
    "edge_score": "float64",
    "edge_label": "int8",
    "edge_p_defect": "float64",
    "cloud_p_defect": "float64",
    "cloud_role": "string",
    "cloud_model": "string",
    "cloud_kind": "string",
    "cloud_description": "string",
    "ms_judging": "float64",
    "ms_waiting": "float64",
    "error_kind": "string",
    "error": "string",
}


class VerdictShards:
    """Writes ``verdicts-00001.parquet`` and so on; what is unknown is null.

    Args:
        folder: where they go; it is made.
        written: how many there are already; what lies there beyond them is of a lost index, and goes.

    Raises:
        ExtraError: pyarrow is not installed.
    """

    def __init__(self, folder: Path, written: int = 0) -> None:
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError as e:
            raise missing_package(e) from None
        self._arrow, self._parquet = pa, parquet
        names = {**_COLUMNS, **_INNER}
        self._schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in names.items()])
        self.folder, self.written = folder, written
        self._rows: list[dict[str, Any]] = []
        folder.mkdir(exist_ok=True)
        for path in folder.glob("verdicts-*"):
            if path.suffix != PARQUET or int(path.stem.rpartition("-")[2]) > written:
                path.unlink()

    def add(self, verdict: VerdictRecord) -> bool:
        """Take a verdict; True where it filled a file, which is then on the disk."""
        self._rows.append(_row(verdict))
        return len(self._rows) >= SHARD_ROWS and self.flush()

    def flush(self) -> bool:
        """Write what was taken since the last file; False where that is nothing. Atomic."""
        if not self._rows:
            return False
        path = self.folder / f"verdicts-{self.written + 1:05}.parquet"
        partial = path.with_name(path.name + ".partial")
        table = self._arrow.Table.from_pylist(self._rows, schema=self._schema)
        self._parquet.write_table(table, partial, compression="zstd")
        partial.replace(path)
        self._rows, self.written = [], self.written + 1
        return True


def _row(v: VerdictRecord) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(v, name) for name in _COLUMNS}
    if v.route is not None:
        row["route"] = v.route.decision
    if v.edge is not None:
        row |= {"edge_score": v.edge.score, "edge_label": v.edge.label, "edge_p_defect": v.edge.p_defect}
    if v.cloud is not None:
        row |= {"cloud_p_defect": v.cloud.p_defect, "cloud_role": v.cloud.role, "cloud_model": v.cloud.model}
    if v.explanation is not None:
        row |= {"cloud_kind": v.explanation.kind, "cloud_description": v.explanation.description}
    if v.error is not None:
        row |= {"error_kind": v.error.kind, "error": v.error.message}
    return row | {"ms_judging": v.ms.get("judging"), "ms_waiting": v.ms.get("waiting")}
