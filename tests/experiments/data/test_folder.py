"""A folder of images as a data set: what TFDS does not have, such as Tiny ImageNet."""

import dataclasses
import json
import os
import re
import shutil

import keras
import numpy as np
import pytest

from experiments import data
from experiments.__main__ import main
from experiments.commands import compare
from experiments.engine import folders, rows, runner
from experiments.engine.errors import UsageError
from experiments.engine.experiment import Context
from experiments.engine.store import Store
from experiments.papers.zaidi2022 import regularized_run

CLASSES = ("bird", "cat", "dog")
COUNTS = {"train": 6, "test": 2}  # of each class


@pytest.fixture
def folder(tmp_path):
    """Images of three classes, each of one color of its own, in two sizes, one of them gray."""
    for split, count in COUNTS.items():
        for label, name in enumerate(CLASSES):
            place = tmp_path / split / name
            place.mkdir(parents=True)
            for number in range(count):
                side, channels = 8 + 4 * (number % 2), 1 if number == 0 else 3
                image = np.full((side, side, channels), 50 * label + number, "uint8")
                keras.utils.save_img(place / f"{number}.png", image, scale=False)
    return tmp_path


def test_a_folder_is_read_with_its_labels(folder):
    found = data.load(f"folder:{folder}", image_size=8, validation=1 / 3)
    assert found.classes == 3
    assert found.x_train.shape == (12, 8, 8, 3)
    assert found.x_validation.shape == (6, 8, 8, 3)
    assert found.x_test.shape == (6, 8, 8, 3)
    for images, labels in (
        (found.x_train, found.y_train),
        (found.x_validation, found.y_validation),
        (found.x_test, found.y_test),
    ):
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(images[:, 0, 0, 0] // 50, labels)
        assert (images == images[:, :1, :1, :1]).all()
    trained = np.concatenate([found.x_train, found.x_validation])[:, 0, 0, 0]
    assert sorted(trained) == [50 * label + number for label in range(3) for number in range(6)]


def test_its_images_are_counted_without_reading_them(folder):
    for file in folder.rglob("*.png"):
        file.write_bytes(b"")
    assert data.count(f"folder:{folder}", image_size=8, validation=1 / 3) == (12, 6)


def test_its_images_need_a_size(folder):
    with pytest.raises(UsageError, match="differ in size. Received: image_size=None"):
        data.count(f"folder:{folder}")


def test_a_run_trains_on_a_folder(folder):
    run = regularized_run.RegularizedRun(
        f"folder:{folder}", "scnn", "BL", image_size=8, epochs=1, batch_size=6, augment=True
    )
    result = run.execute(Context())
    assert (result["classes"], result["steps"]) == (3, 3)


def test_there_is_no_such_folder(tmp_path):
    with pytest.raises(UsageError, match=r"no such folder. Received: dataset='folder:.*/nowhere'"):
        data.load(f"folder:{tmp_path}/nowhere", image_size=8)


def test_a_split_without_images(tmp_path):
    (tmp_path / "train" / "cat" / "images").mkdir(parents=True)
    expected = re.escape(f"none in train/CLASS. Expected {tmp_path}/train/CLASS/IMAGE")
    with pytest.raises(UsageError, match=expected):
        data.load(f"folder:{tmp_path}", image_size=8)
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "val_annotations.txt").touch()
    (tmp_path / "train" / "dog").mkdir()  # the folder is looked at again
    with pytest.raises(UsageError, match="Tiny ImageNet's own layout: move"):
        data.load(f"folder:{tmp_path}", image_size=8)


def test_the_splits_have_the_same_classes(folder):
    (folder / "test" / "cat").rename(folder / "test" / "images")
    with pytest.raises(UsageError, match="with 2 in one of them only, such as 'cat'"):
        data.load(f"folder:{folder}", image_size=8)


def spec(folder):
    settings = dataclasses.replace(compare.Settings(), dataset=f"folder:{folder}")
    return compare.runs(settings)[0]


def change(file, how):
    """Other images in a folder, in one way."""
    content = file.read_bytes()
    if how == "content":  # of the same size, at the same time
        times = file.stat()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif how == "name":
        file.rename(file.with_name("other.png"))
    elif how == "class":
        file.rename(file.parents[1] / "dog" / "other.png")
    elif how == "one more":
        file.with_name("other.png").write_bytes(content)
    else:
        file.unlink()


@pytest.mark.parametrize("how", ["content", "name", "class", "one more", "one less"])
@pytest.mark.parametrize("split", COUNTS)
def test_a_run_is_known_by_its_images(folder, how, split):
    before = spec(folder)
    assert spec(folder) == before
    change(folder / split / "cat" / "1.png", how)
    assert rows.key(spec(folder)) != rows.key(before)


def test_a_run_is_not_known_by_what_is_no_image_of_it(folder):
    before = spec(folder)
    (folder / "results").mkdir()
    (folder / "results" / "runs.sqlite").touch()
    os.utime(folder / "train" / "cat" / "1.png")
    assert spec(folder) == before
    copy = folder.parent / f"{folder.name}-copy"
    shutil.copytree(folder, copy)
    assert spec(copy)["dataset_digest"] == before["dataset_digest"]


def test_equal_words_in_two_directories_are_two_runs(tmp_path, monkeypatch):
    keys = set()
    for name in ("cat", "dog"):
        (tmp_path / name / "data" / "train" / name).mkdir(parents=True)
        monkeypatch.chdir(tmp_path / name)
        keys.add(rows.key(spec("data")))
    assert len(keys) == 2


def test_a_set_of_tfds_has_the_spec_that_it_had():
    assert "dataset_digest" not in compare.runs(compare.Settings())[0]


def test_a_command_looks_at_a_folder_once(folder):
    with folders.once() as seen:
        before = spec(folder)
        change(folder / "train" / "cat" / "1.png", "one less")
        assert spec(folder) == before
    assert seen == {f"folder:{folder}": before["dataset_digest"]}
    assert spec(folder) != before
    with folders.once(seen):
        assert spec(folder) == before


def test_other_images_are_read_anew(folder):
    name = f"folder:{folder}"
    assert len(data.load(name, image_size=8).x_train) == 18
    change(folder / "train" / "cat" / "1.png", "one less")
    assert data.count(name, image_size=8) == (17, 0)
    assert len(data.load(name, image_size=8).x_train) == 17


def test_images_that_change_before_a_run_begins_are_told(folder, tmp_path_factory):
    asked = spec(folder)
    change(folder / "train" / "cat" / "1.png", "content")
    with Store(tmp_path_factory.mktemp("store") / "runs.sqlite") as store:
        with pytest.raises(UsageError, match="other images than when the command began"):
            runner.perform([asked], store, Context())
        assert store.counts([asked]) == {"missing": 1}


def test_a_report_is_of_the_images_that_were_there(folder, tmp_path_factory, capsys):
    out = tmp_path_factory.mktemp("out")
    command = ["compare", "--dataset", f"folder:{folder}", "--image-size", "8", "--seeds", "1"]
    command += ["--method", "BL", "--backbone", "mlp", "--epochs", "1", "--train-size", "12"]
    command += ["--batch-size", "6", "--out", str(out)]
    assert main(command) == 0
    assert "finished 1 (0 of them before)" in capsys.readouterr().err
    assert main(command) == 0
    assert "finished 1 (1 of them before)" in capsys.readouterr().err
    (before,) = json.loads((out / "runs.json").read_text())["runs"]
    change(folder / "train" / "cat" / "1.png", "one less")
    report = ["report", "--store", str(out / "runs.sqlite"), "--out", str(out / "page")]
    assert main(report) == 0
    assert before["dataset_digest"] in (out / "page" / "index.html").read_text()
    assert main(command) == 0
    assert "finished 1 (0 of them before)" in capsys.readouterr().err
    shutil.rmtree(folder)
    assert main(report) == 0
