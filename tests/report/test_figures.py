"""Two documents side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pyq8.errors import DataError
from pyq8.report.figures import compare


def write(path: Path, data: Any) -> Path:
    path.write_text(json.dumps(data))
    return path


def test_figures_that_differ_are_paired_by_what_they_are_of(tmp_path: Path) -> None:
    a = {"kind": "pyq8 x", "schema": 1, "rows": [{"node": "a", "sqnr": 20.0}, {"node": "b", "sqnr": 30.0}], "same": 1}
    b = {"kind": "pyq8 x", "schema": 1, "rows": [{"node": "b", "sqnr": 30.0}, {"node": "a", "sqnr": 25.0}], "same": 1}
    found = compare(write(tmp_path / "a", a), write(tmp_path / "b", b))
    (row,) = found.rows
    assert (row.path, row.first, row.second, row.difference) == ("rows[a].sqnr", 20.0, 25.0, 5.0)
    assert row.cells() == ("20", "25", "+5 (+25.0%)")
    assert found.figures == 7  # kind, schema, same, and two of either row


def test_what_only_one_has_and_texts_are_shown(tmp_path: Path) -> None:
    a = {"kind": "pyq8 x", "schema": 1, "verdict": "passed", "old": 1}
    b = {"kind": "pyq8 x", "schema": 1, "verdict": "failed", "new": None}
    found = compare(write(tmp_path / "a", a), write(tmp_path / "b", b))
    assert [row.cells() for row in found.rows] == [("passed", "failed", ""), ("1", "-", "")]


def test_the_largest_differences_are_kept_in_order(tmp_path: Path) -> None:
    a = {"kind": "pyq8 x", "v": [1.0, 1.0, 1.0]}
    b = {"kind": "pyq8 x", "v": [2.0, 1.01, 1.5]}
    found = compare(write(tmp_path / "a", a), write(tmp_path / "b", b))
    assert [row.path for row in found.largest(2)] == ["v[0]", "v[2]"]


@pytest.mark.parametrize("text", ["no json", "[1]", '{"kind": "other"}', "{}"])
def test_what_is_no_document_of_pyq8_is_refused_by_name(tmp_path: Path, text: str) -> None:
    good = write(tmp_path / "good", {"kind": "pyq8 x"})
    (tmp_path / "bad").write_text(text)
    with pytest.raises(DataError, match="bad: no JSON"):
        compare(good, tmp_path / "bad")
    with pytest.raises(DataError, match="gone: cannot be read"):
        compare(good, tmp_path / "gone")


def test_documents_of_different_commands_are_refused(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a", {"kind": "pyq8 x"}), write(tmp_path / "b", {"kind": "pyq8 y"})
    with pytest.raises(DataError, match=r"'pyq8 x'.*'pyq8 y'.*two files of the same command"):
        compare(a, b)
