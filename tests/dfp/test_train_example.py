"""examples/train_dfp16.py: what it refuses, and that it goes on only with what it began with."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

FILE = Path(__file__).resolve().parents[2] / "examples" / "train_dfp16.py"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, without the training itself."""
    spec = importlib.util.spec_from_file_location("train_dfp16", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "train_dfp16", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "train_epoch", lambda *_: {"loss": 1.0})
    monkeypatch.setattr(module, "accuracy", lambda *_: 50.0)
    monkeypatch.setattr(module, "deploy", lambda *_: [])
    monkeypatch.setattr(module, "export", lambda _net, path, _x: path.touch())
    return module


def run(example: ModuleType, out: Path, *options: str) -> Result:
    return CliRunner().invoke(example.main, [str(out), "--epochs", "2", *options])


def refusal(result: Result, code: int) -> str:
    """The one line."""
    assert result.exit_code == code, result.output
    *usage, line = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert not any("Traceback" in before for before in usage)
    return line


def arrays(**changes: Any) -> dict[str, Any]:
    images, labels = np.zeros((4, 32, 32, 3), np.uint8), np.array([0, 1, 2, 0])
    names = {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}
    return names | changes


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"train_images": np.zeros((4, 32, 32, 3), np.float32)}, "train_images is float32 [4, 32, 32, 3]; give uint8"),
        ({"test_images": np.zeros((4, 3, 32, 32), np.uint8)}, "test_images is uint8 [4, 3, 32, 32]; give uint8"),
        ({"train_images": np.zeros((4, 32, 40, 3), np.uint8)}, "train_images is [4, 32, 40, 3]; give square images"),
        ({"test_images": np.zeros((0, 32, 32, 3), np.uint8)}, "test_images is [0, 32, 32, 3]; give square images"),
        ({"train_labels": np.array([0, 1, 2])}, "train_labels is int64 [3]; give 4 integers"),
        ({"train_labels": np.array([0.0, 1, 2, 0])}, "train_labels is float64 [4]; give 4 integers"),
        ({"train_labels": np.array([1, 2, 3, 1])}, "train_labels is 1 to 3, of 3 classes"),
        ({"test_labels": np.array([0, 1, 2, 3])}, "test_labels is 0 to 3, of 3 classes"),
    ],
)
def test_arrays_of_another_form_are_refused(
    example: ModuleType, changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    file = tmp_path / "data.npz"
    np.savez(file, **arrays(**changes))
    line = refusal(run(example, tmp_path / "out", "--data", str(file)), 3)
    assert line.startswith(f"Error: {file}: {words}")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["data.txt", "data.npz"])
def test_a_file_that_is_no_npz_is_refused(example: ModuleType, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("no arrays")
    assert "no readable .npz file" in refusal(run(example, tmp_path, "--data", str(tmp_path / name)), 3)


def test_a_tree_gives_its_images_and_names_the_broken_one(example: ModuleType, tmp_path: Path) -> None:
    for split in ("train", "val"):
        for class_ in ("cat", "dog"):
            (tmp_path / split / class_).mkdir(parents=True)
            Image.new("RGB", (40, 30)).save(tmp_path / split / class_ / "a.png")
    (tmp_path / "train" / "cat" / "Thumbs.db").touch()
    (tmp_path / "val" / "dog").rename(tmp_path / "val" / ".dog")
    data = example.read(str(tmp_path), 32)
    assert (len(data.train), len(data.test), data.classes) == (2, 1, 2)
    assert data.train[0][0].shape == (3, 32, 32)
    broken = tmp_path / "train" / "cat" / "a.png"
    broken.write_bytes(broken.read_bytes()[:20])
    with pytest.raises(example.DataError, match=r"cat/a\.png: not a readable image .*; repair or remove it$"):
        data.train[0]


@pytest.mark.parametrize("option", [("--lr", "-1"), ("--lr", "0"), ("--seed", "-1"), ("--arch", "resnet19")])
def test_options_that_cannot_be_are_usage_errors(example: ModuleType, option: tuple[str, str], tmp_path: Path) -> None:
    assert "Invalid value for" in refusal(run(example, tmp_path, *option), 2)


def test_a_run_goes_on_with_its_own_options_and_data_only(example: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "data.npz"
    np.savez(file, **arrays())
    data = "--data", str(file)
    assert run(example, tmp_path, *data).exit_code == 0
    assert "resnet20-dfp16-0.pt: of an earlier run; continue that with --resume" in refusal(run(example, tmp_path), 2)
    assert run(example, tmp_path, *data, "--resume").exit_code == 0
    for option, value, words in (
        ("--lr", "0.1", "--lr 0.05, not 0.1"),
        ("--epochs", "3", "--epochs 2, not 3"),
        ("--batch", "16", "--batch 32, not 16"),
        ("--data", "digits", "--data 4 + 4 images"),
    ):
        line = refusal(run(example, tmp_path, *data, "--resume", option, value), 2)
        assert f"resnet20-dfp16-0.pt: of a run with {words}" in line
    checkpoint = tmp_path / "resnet20-dfp16-0.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    assert "no readable checkpoint" in refusal(run(example, tmp_path, *data, "--resume"), 3)
    checkpoint.unlink()
    assert "of an earlier run" in refusal(run(example, tmp_path, *data, "--resume"), 2)
