from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyq8.errors import DataError

from .pictures import labels, names, open_images, save_flat


def write_labels(folder: Path, text: str) -> None:
    (folder / "labels.csv").write_text(text)


def test_a_plain_folder_is_sorted_and_has_no_labels(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "c.jpeg", ".hidden.png"):
        save_flat(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not an image")

    loader = open_images(tmp_path)

    assert names(loader) == ["a.JPG", "b.png", "c.jpeg"]
    assert labels(loader) == [None, None, None]
    assert loader.total == 3


def test_a_tree_gives_one_image_of_every_class_in_turn(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/2.png", "cat/3.png", "ant/9.png", "bee/1.png", "bee/2.png", ".git/x.png"):
        save_flat(tmp_path / name)

    loader = open_images(tmp_path)

    assert names(loader) == ["ant/9.png", "bee/1.png", "cat/1.png", "bee/2.png", "cat/2.png", "cat/3.png"]
    assert labels(loader) == [0, 1, 2, 1, 2, 2]


def test_labels_csv_keeps_its_order_and_the_wanted_split(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "sub/c.png", "unlisted.png"):
        save_flat(tmp_path / name)
    write_labels(tmp_path, "file,label,split\nsub/c.png,7,val\nb.png,5,calib\na.png,3,val\n")

    val, calib = open_images(tmp_path, split="val"), open_images(tmp_path, split="calib")

    assert names(val) == ["sub/c.png", "a.png"]
    assert labels(val) == [7, 3]
    assert labels(calib) == [5]


def test_labels_csv_without_splits_gives_every_row(tmp_path: Path) -> None:
    save_flat(tmp_path / "a.png")
    write_labels(tmp_path, "\ufefflabel,file\n4,a.png\n")

    assert labels(open_images(tmp_path, split="val")) == [4]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("file,label\na.png,0\ngone.png,1\n", "labels.csv, line 3: file 'gone.png' does not exist"),
        ("file,label\na.png,tench\n", "labels.csv, line 2: label 'tench' is no whole number"),
        ("file,label\na.png\n", "labels.csv, line 2: label '' is no whole number"),
        ("file,class\na.png,0\n", "labels.csv: no column 'label' (found file, class)"),
        ("", "labels.csv: no column 'file' (found nothing)"),
        ("file,label\n", "labels.csv: has no rows"),
        (
            "file,label,split\na.png,0,train\na.png,0,test\n",
            "split 'calib' has no rows; its splits are 'test', 'train'",
        ),
    ],
)
def test_a_wrong_labels_csv_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    save_flat(tmp_path / "a.png")
    write_labels(tmp_path, text)

    with pytest.raises(DataError) as caught:
        open_images(tmp_path)

    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_csv_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(DataError, match=r"labels\.csv: cannot be read as UTF-8 CSV"):
        open_images(tmp_path)


def test_coco_images_are_found_beside_and_in_images(tmp_path: Path) -> None:
    save_flat(tmp_path / "images" / "2.png")
    save_flat(tmp_path / "1.png")
    content = {
        "images": [{"id": 5, "file_name": "2.png"}, {"id": 3, "file_name": "1.png"}],
        "annotations": [],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(content))

    loader = open_images(tmp_path)

    assert names(loader) == ["2.png", "1.png"]
    assert labels(loader) == [None, None]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"images": [{"file_name": "gone.png"}]}', "image 'gone.png' is neither in"),
        ('{"images": []}', "list of images is empty"),
        ('{"pictures": []}', "not in COCO form"),
        ('{"images": [{"file_name": 3}]}', "not in COCO form"),
        ("[1]", "not in COCO form"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_wrong_coco_annotations_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "annotations.json").write_text(text)

    with pytest.raises(DataError) as caught:
        open_images(tmp_path)

    assert str(caught.value).startswith(f"{tmp_path / 'annotations.json'}: ")
    assert reason in str(caught.value)


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: does not exist; give a folder"):
        open_images(str(tmp_path / "nowhere"))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="an empty folder; give a folder of images"):
        open_images(tmp_path)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")

    with pytest.raises(DataError, match="no image files; give a folder of images"):
        open_images(tmp_path)


def test_a_tree_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()

    with pytest.raises(DataError, match="no image files in its class folders; put images"):
        open_images(tmp_path)


def test_a_folder_of_trees_points_to_them(tmp_path: Path) -> None:
    save_flat(tmp_path / "train" / "cat" / "1.png")
    save_flat(tmp_path / "val" / "cat" / "1.png")

    with pytest.raises(DataError, match="give one of its subfolders: train, val"):
        open_images(tmp_path)


def test_images_beside_class_folders_are_refused(tmp_path: Path) -> None:
    save_flat(tmp_path / "cat" / "1.png")
    save_flat(tmp_path / "preview.png")

    with pytest.raises(DataError, match=r"images beside them \(preview\.png\)"):
        open_images(tmp_path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = save_flat(tmp_path / "one.png")

    with pytest.raises(DataError, match=r"one\.png: not a folder, \.npz or \.npy"):
        open_images(path)
