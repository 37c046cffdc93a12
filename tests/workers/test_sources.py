"""Models where workers find them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyq8.errors import WorkerError
from pyq8.model.file import save
from pyq8.workers import sources
from pyq8.workers.sources import KEPT, Source
from tests.small_models import parse


@pytest.fixture
def source(tmp_path: Path) -> Source:
    model = parse("g (float[N, 3, 6, 6] x) => (float[N, 4, 6, 6] y) { y = Conv(x, w) }", {"w": (4, 3, 1, 1)})
    save(model, tmp_path / "0.onnx")
    return Source(str(tmp_path / "0.onnx"))


def test_a_packed_model_needs_no_file(source: Source) -> None:
    packed = source.packed()
    Path(source.path).unlink()

    assert [v.name for v in packed.session().get_outputs()] == ["y"]
    packed.forget()


def test_a_file_that_the_worker_does_not_see_is_named(source: Source) -> None:
    Path(source.path).unlink()

    with pytest.raises(WorkerError, match=rf"does not see {source.path}; set TMPDIR to a folder that all share"):
        source.session()


def test_a_session_is_made_once_and_only_the_last_are_kept(source: Source) -> None:
    packed = source.packed()
    others = [Source(packed.path + str(i), {f"{Path(packed.path).name}{i}": b}) for i in range(KEPT)
              for b in (packed.content or {}).values()]  # fmt: skip

    assert source.session() is source.session()
    for other in others:
        other.session()
    assert list(sources._sessions) == [other.path for other in others]
    for other in others:
        other.forget()
