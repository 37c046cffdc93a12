"""Wrong input: one line on stderr, the right exit code, nothing written, never a traceback."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import pyq8
from tests.cli.run import run

NO_CONVOLUTION = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[N, 4] x) => (float[N, 4] y) { y = Relu(x) }
"""


@pytest.fixture
def photos(tmp_path: Path, digits_images: str) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for file in sorted(Path(digits_images).glob("calib_*.png"))[:4]:
        shutil.copy(file, folder)
    return folder


def quantize(model: object, calib: object, preprocess: str, *more: str) -> tuple[int, str, str]:
    return run("quantize", str(model), "--calib", str(calib), "--preprocess", preprocess, *more)


def expect_refused(done: tuple[int, str, str], out: Path, *words: str) -> None:
    code, text, error = done
    assert code == 3
    assert text == ""
    assert error.startswith("pyq8: ") and error.count("\n") == 1
    for word in words:
        assert word in error
    assert not list(out.parent.glob(f"*{out.name}*"))


def test_a_missing_model(tmp_path: Path, photos: Path, digits_preprocess: str) -> None:
    out = tmp_path / "o.onnx"
    expect_refused(
        quantize(tmp_path / "no.onnx", photos, digits_preprocess, "-o", str(out)), out, "no.onnx", "no such file"
    )


@pytest.mark.parametrize("more", [[], ["-o", "out"]])
def test_a_missing_folder_of_models(photos: Path, digits_preprocess: str, more: list[str]) -> None:
    code, _, error = quantize("nofolder/", photos, digits_preprocess, *more)
    assert code == 3
    assert error == "pyq8: nofolder: no such file or folder; give an FP32 ONNX model, or a folder of them\n"


@pytest.mark.parametrize("content", [b"", b"not a model at all", b"\x89PNG\r\n\x1a\n" + bytes(99)])
def test_a_file_that_is_no_model(tmp_path: Path, photos: Path, digits_preprocess: str, content: bytes) -> None:
    model, out = tmp_path / "m.onnx", tmp_path / "o.onnx"
    model.write_bytes(content)
    expect_refused(quantize(model, photos, digits_preprocess, "-o", str(out)), out, "m.onnx", "not")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_truncated_model(
    tmp_path: Path, photos: Path, digits_model: str, digits_preprocess: str, share: float
) -> None:
    model, out = tmp_path / "m.onnx", tmp_path / "o.onnx"
    whole = Path(digits_model).read_bytes()
    model.write_bytes(whole[: int(len(whole) * share)])
    expect_refused(quantize(model, photos, digits_preprocess, "-o", str(out)), out, "m.onnx", "cut short")


def test_an_already_quantized_model(tmp_path: Path, photos: Path, digits_model: str, digits_preprocess: str) -> None:
    first, out = tmp_path / "first.onnx", tmp_path / "o.onnx"
    assert quantize(digits_model, photos, digits_preprocess, "-o", str(first))[0] == 0
    expect_refused(quantize(first, photos, digits_preprocess, "-o", str(out)), out, "already quantized", "FP32")


def test_a_model_without_convolutions(tmp_path: Path, photos: Path, digits_preprocess: str) -> None:
    model, out = tmp_path / "m.onnx", tmp_path / "o.onnx"
    onnx.save(onnx.parser.parse_model(NO_CONVOLUTION), model)
    expect_refused(quantize(model, photos, digits_preprocess, "-o", str(out)), out, "m.onnx", "no Conv")


def test_an_empty_folder(tmp_path: Path, digits_model: str, digits_preprocess: str) -> None:
    empty, out = tmp_path / "empty", tmp_path / "o.onnx"
    empty.mkdir()
    expect_refused(quantize(digits_model, empty, digits_preprocess, "-o", str(out)), out, "empty")


def test_a_corrupt_image_is_named_and_can_be_skipped(
    tmp_path: Path, photos: Path, digits_model: str, digits_preprocess: str
) -> None:
    out = tmp_path / "o.onnx"
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 this is no picture")
    expect_refused(quantize(digits_model, photos, digits_preprocess, "-o", str(out)), out, "broken.jpg", "--skip-bad")
    code, text, _ = quantize(digits_model, photos, digits_preprocess, "-o", str(out), "--skip-bad")
    assert code == 0 and "(1 unreadable ones left out)" in text and "4 images" in text


def test_a_wrong_input_name_in_an_npz(tmp_path: Path, digits_model: str) -> None:
    data, out = tmp_path / "d.npz", tmp_path / "o.onnx"
    np.savez(data, pictures=np.zeros((2, 1, 32, 32), np.float32), other=np.zeros((2, 1, 32, 32), np.float32))
    expect_refused(run("quantize", digits_model, "--calib", str(data), "-o", str(out)), out, "pictures", "image")


def test_nan_in_the_data(tmp_path: Path, digits_model: str) -> None:
    data, out = tmp_path / "d.npz", tmp_path / "o.onnx"
    array = np.zeros((3, 1, 32, 32), np.float32)
    array[1, 0, 5, 5] = np.nan
    np.savez(data, image=array)
    expect_refused(run("quantize", digits_model, "--calib", str(data), "-o", str(out)), out, "NaN", "1")


def test_a_disk_that_fills_up(
    tmp_path: Path, photos: Path, digits_model: str, digits_preprocess: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx_ir

    out = tmp_path / "o.onnx"

    def full(model: Any, path: Any, **options: Any) -> None:
        del model, options
        Path(path).write_bytes(b"half of")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(onnx_ir, "save", full)
    expect_refused(quantize(digits_model, photos, digits_preprocess, "-o", str(out)), out, "o.onnx", "No space left")


@pytest.mark.parametrize(
    "options",
    [["--observer", "mxe"], ["--format", "qqd"], ["--target", "arm"], ["--placement", "cots"],
     ["--exclude", "nothing-like-this"], ["--preset", "imagenet"], ["--samples", "0"], ["--seed", "-1"],
     ["--nonsense"]],
)  # fmt: skip
def test_wrong_usage_exits_with_2(
    tmp_path: Path, photos: Path, digits_model: str, digits_preprocess: str, options: list[str]
) -> None:
    out = tmp_path / "o.onnx"
    code, text, error = quantize(digits_model, photos, digits_preprocess, "-o", str(out), *options)
    assert code == 2 and text == "" and error
    assert not out.exists()


def test_a_preset_given_as_a_file_is_named(photos: Path, digits_model: str) -> None:
    code, _, error = run("quantize", digits_model, "--calib", str(photos), "--preprocess", "raw")
    assert (code, error) == (
        2, "pyq8: --preprocess raw: takes a TOML file; for the preset of this name give --preset raw\n"
    )  # fmt: skip


def test_the_fp32_model_is_never_overwritten(photos: Path, digits_model: str, digits_preprocess: str) -> None:
    before = Path(digits_model).read_bytes()
    code, _, error = quantize(digits_model, photos, digits_preprocess, "-o", digits_model)
    assert code == 2 and "overwrite" in error
    assert Path(digits_model).read_bytes() == before


def test_a_missing_output_folder_is_found_before_the_work(
    tmp_path: Path, photos: Path, digits_model: str, digits_preprocess: str
) -> None:
    out = tmp_path / "nowhere" / "o.onnx"
    code, _, error = quantize(digits_model, photos, digits_preprocess, "-o", str(out))
    assert code == 3 and "nowhere" in error


@pytest.mark.parametrize("same", ["the model", "the output"])
def test_the_json_never_overwrites_a_model(
    tmp_path: Path, photos: Path, digits_model: str, digits_preprocess: str, same: str
) -> None:
    model, out = tmp_path / "m.onnx", tmp_path / "o.onnx"
    shutil.copy(digits_model, model)
    file = model if same == "the model" else out
    code, _, error = quantize(model, photos, digits_preprocess, "-o", str(out), "--json", str(file))
    assert code == 2 and "overwrite" in error
    assert model.read_bytes() == Path(digits_model).read_bytes() and not out.exists()


def test_half_a_json_is_removed(tmp_path: Path, digits_model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "i.json"

    def full(path: Path, text: str, encoding: str) -> None:
        path.write_bytes(text.encode(encoding)[:9])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    code, _, error = run("inspect", digits_model, "--json", str(file))
    assert code == 3 and "i.json" in error and "No space left" in error
    assert not file.exists()


def test_a_full_standard_output_is_one_line(digits_model: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", "import pyq8.cli as c; c.main()", "inspect", digits_model],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 3
    assert done.stderr == "pyq8: standard output: No space left on device\n"


def test_a_reader_that_goes_away_is_not_a_failed_gate(digits_model: str) -> None:
    started = subprocess.Popen(
        [sys.executable, "-c", "import pyq8.cli as c; c.main()", "inspect", digits_model],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert started.stdout is not None and started.stderr is not None
    started.stdout.close()
    assert started.stderr.read() == b""
    started.stderr.close()
    assert started.wait() == 141


def test_check_without_the_labels_that_its_metric_needs(
    photos: Path, digits_model: str, digits_preprocess: str
) -> None:
    code, _, error = run("check", digits_model, digits_model, "--data", str(photos), "--preprocess", digits_preprocess,
                         "--metric", "top1")  # fmt: skip
    assert code == 2 and "labels.csv" in error


def test_check_of_two_models_whose_outputs_differ(
    tmp_path: Path, photos: Path, digits_model: str, digits_preprocess: str
) -> None:
    other = onnx.load(digits_model)
    other.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 7
    onnx.save(other, tmp_path / "other.onnx")
    code, _, error = run("check", digits_model, str(tmp_path / "other.onnx"), "--data", str(photos),
                         "--preprocess", digits_preprocess)  # fmt: skip
    assert code == 3 and "own quantized version" in error and "7" in error


@pytest.mark.parametrize(("first", "second", "code"), [(None, 4, 4), (4, None, 4), (4, 3, 3)])
def test_check_of_models_with_other_fixed_batches(
    tmp_path: Path, photos: Path, digits_model: str, digits_preprocess: str, first: int | None, second: int | None,
    code: int,
) -> None:  # fmt: skip
    paths = []
    for name, size in (("a.onnx", first), ("b.onnx", second)):
        model = onnx.load(digits_model)
        for value in (*model.graph.input, *model.graph.output):
            if size:
                value.type.tensor_type.shape.dim[0].dim_value = size
        onnx.save(model, tmp_path / name)
        paths.append(str(tmp_path / name))
    done = run("check", *paths, "--data", str(photos), "--preprocess", digits_preprocess)
    assert done[0] == code and ("own quantized version" in done[2]) == (code == 3)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--batch", "0"), ("--batch", "1,-4"), ("--batch", ""), ("--batch", "one"), ("--threads", "0"), ("--threads", "x"),
     ("--threads", "1,"), ("--size", "8"), ("--size", "8x"), ("--size", "0x8"), ("--size", "axb"), ("--size", "1x2x3")],
)  # fmt: skip
def test_bench_of_numbers_that_cannot_be(digits_model: str, option: str, value: str) -> None:
    code, text, error = run("bench", digits_model, option, value)
    assert code == 2 and text == "" and f"{option} {value!r}" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "said"), [("none.onnx", "no such file"), (".", "a folder"), ("junk.onnx", "onnxruntime cannot load it")]
)
def test_bench_of_no_model(tmp_path: Path, digits_model: str, name: str, said: str) -> None:
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    file = tmp_path / "b.json"
    code, text, error = run("bench", digits_model, str(tmp_path / name), "--json", str(file))
    assert code == 3 and text == "" and said in error and error.count("\n") == 1
    assert not file.exists()


def test_bench_at_another_batch_than_the_models(tmp_path: Path, digits_model: str) -> None:
    model = onnx.load(digits_model)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, tmp_path / "one.onnx")
    code, text, error = run("bench", str(tmp_path / "one.onnx"), "--batch", "1,4")
    assert code == 3 and text == "" and "is fixed at 1, not 4" in error and error.count("\n") == 1


def test_an_interrupted_bench_leaves_nothing(
    tmp_path: Path, digits_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", interrupt)
    code, text, error = run("bench", digits_model, "--json", str(tmp_path / "b.json"))
    assert (code, text, error.strip()) == (130, "", "pyq8: interrupted; nothing was written")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "option", [("--split", "val"), ("--preset", "raw"), ("--preprocess", "p.toml"), ("--skip-bad",)]
)
@pytest.mark.parametrize("command", ["quantize", "check"])
def test_options_for_images_do_not_fit_arrays(
    tmp_path: Path, digits_model: str, command: str, option: tuple[str, ...]
) -> None:
    data = tmp_path / "d.npz"
    np.savez(data, image=np.zeros((2, 1, 32, 32), np.float32))
    out = str(tmp_path / "o.onnx")
    models = [digits_model, "-o", out, "--calib"] if command == "quantize" else [digits_model, digits_model, "--data"]
    code, _, error = run(command, *models, str(data), *option)
    assert code == 2 and error.startswith(f"pyq8: {option[0]} is for images") and error.count("\n") == 1


def test_the_library_names_what_it_does_not_take(photos: Path, digits_model: str) -> None:
    with pytest.raises(pyq8.UsageError, match="ModelProto is no path"):
        pyq8.quantize(onnx.load(digits_model), photos)
    with pytest.raises(pyq8.UsageError, match="did you mean 'imagenet'"):
        pyq8.quantize(digits_model, photos, preprocess="imagnet")
    with pytest.raises(pyq8.UsageError, match="did you mean 'cost'"):
        pyq8.quantize(digits_model, photos / "missing", placement="cots")  # before the data is looked at
    with pytest.raises(pyq8.UsageError, match="'nothing' matches no node"):
        pyq8.quantize(digits_model, photos, exclude="nothing")


def test_everything_excluded(tmp_path: Path, digits_model: str, digits_images: str) -> None:
    out = tmp_path / "o.onnx"
    code, text, error = run("quantize", digits_model, "--calib", digits_images, "--exclude", "*", "-o", str(out))
    assert (code, text) == (2, "") and "exclude less" in error and error.count("\n") == 1
    assert not out.exists()


def test_bench_with_far_more_threads_than_cpus(digits_model: str) -> None:
    code, text, error = run("bench", digits_model, "--threads", "100000")
    assert (code, text) == (2, "") and "100000 threads" in error and error.count("\n") == 1
