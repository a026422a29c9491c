"""The page: whole, self-contained, valid, and with the right numbers in the right cells."""

import base64
import dataclasses
import html.parser
import re

import pytest
from matplotlib import pyplot as plt

from experiments.commands import compare
from experiments.engine import experiment
from experiments.papers.alabdulmohsin2021.layouts import accuracy_table
from experiments.report import page
from experiments.report.statistics import summary
from experiments.report.tables import Cell, Table
from keras_reinit.analysis import plots

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Reader(html.parser.HTMLParser):
    """Checks that tags are balanced; collects tags, the texts of cells, and all text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.text, self.rows, self.cell = [], [], "", [], None
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.cell = ""

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag in ("td", "th"):
            self.rows[-1].append(" ".join(self.cell.split()))
            self.cell = None

    def handle_data(self, data):
        self.text += data
        if self.cell is not None:
            self.cell += data + " "

    def attributes(self, name):
        return [attrs for tag, attrs in self.tags if tag == name]


def _records(scores, **fields):
    return [
        {"method": method, "seed": seed, "test_accuracy": score, "seconds": 90.0, **fields}
        for method, by_seed in scores.items()
        for seed, score in enumerate(by_seed)
    ]


def _draw():
    figure, axes = plt.subplots(figsize=(4, 3))
    axes.plot([1, 2, 3])
    return figure


def _experiment(**replaced):
    return experiment.Experiment(
        **{
            "paper": "Alabdulmohsin et al. 2021",
            "item": "Table 2",
            "title": "test <accuracy> & more",
            "sizes": {},
            "cost": {"smoke": "one minute"},
            "runs": lambda settings: [],
            "summarize": lambda records: summary(
                records, ("dataset", "backbone", "method"), baseline="BL"
            ),
            "tables": lambda rows: [
                accuracy_table(rows, "With augmentation", "Table 2", ("A <b>note</b>.", "- item"))
            ],
            "figures": lambda records: {"learning curves": ("Accuracy < 1 over epochs.", _draw)},
            **replaced,
        }
    )


RECORDS = [
    *_records({"BL": [0.7, 0.72], "LW": [0.8, 0.9]}, dataset="cifar10", backbone="vgg16"),
    *_records({"BL": [0.6, 0.6]}, dataset="cifar10", backbone="scnn"),
]


@pytest.fixture
def files(tmp_path):
    return page.write({"table2": (_experiment(), RECORDS)}, tmp_path / "new" / "report")


@pytest.fixture
def read(files):
    return Reader(files[0].read_text(encoding="utf-8"))


def test_files(files):
    assert [file.name for file in files] == ["index.html", "table2-learning_curves.png"]
    assert all(file.stat().st_size for file in files)
    assert not plt.get_fignums()


def test_it_needs_nothing_else(files, read):
    text = re.sub('base64,[^"]*', "", files[0].read_text(encoding="utf-8"))
    assert not re.search(r"//|@import|url\(", text)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in read.tags}
    for _, attrs in read.tags:
        assert attrs.get("src", "data:image/png;base64,").startswith("data:image/png;base64,")
        assert attrs.get("href", "#").startswith("#")


def test_links_and_labels_lead_somewhere(read):
    ids = [attrs["id"] for _, attrs in read.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = [attrs["href"].removeprefix("#") for attrs in read.attributes("a")]
    labels = [attrs["aria-labelledby"] for _, attrs in read.tags if "aria-labelledby" in attrs]
    assert targets == ["table2"]
    assert {*targets, *labels} <= set(ids)


def test_the_embedded_picture_is_the_file(files, read):
    (image,) = read.attributes("img")
    embedded = base64.b64decode(image["src"].removeprefix("data:image/png;base64,"))
    assert embedded == files[1].read_bytes()
    assert embedded.startswith(b"\x89PNG")
    assert (image["width"], image["height"]) == ("384", "288")
    assert image["alt"] == "test <accuracy> & more: learning curves"


def test_it_is_accessible(read):
    assert read.attributes("html") == [{"lang": "en"}]
    assert all(attrs.get("scope") in ("col", "row", "rowgroup") for attrs in read.attributes("th"))
    tags = [tag for tag, _ in read.tags]
    assert tags.count("caption") == tags.count("table") == 1
    assert tags.count("h1") == tags.count("main") == 1


def test_numbers_stand_in_their_cells(read):
    assert read.rows[0] == ["network", "BL", "WELSR", "DSD", "WELS", "FC", "LW"]
    assert read.rows[1] == ["cifar10"]
    rows = {row[0]: row for row in read.rows[2:]}
    assert rows["vgg16"][1] == "71.0 ± 1.4 published 84.7"
    assert rows["vgg16"][6] == "85.0 ± 7.1 published 88.9"
    assert rows["vgg16"][3] == "- published 84.9"
    assert rows["scnn"][1] == "60.0 ± 0.0 published 82.7"
    assert rows["scnn"][6] == "- published 84.3"


def test_only_the_best_is_bold(files):
    assert re.findall(r"<strong>(.*?)</strong>", files[0].read_text(encoding="utf-8")) == [
        "85.0 ± 7.1"
    ]


def test_texts_are_escaped_not_interpreted(read):
    assert "b" not in {tag for tag, _ in read.tags}
    for text in ("Test <accuracy> & more", "A <b>note</b>.", "Accuracy < 1 over epochs."):
        assert text in read.text


def test_it_says_what_was_run(read):
    text = " ".join(read.text.split())
    assert "6 runs, 2 seeds, 9.0 minutes" in text
    assert "Cost, size smoke one minute" in text
    assert "dataset cifar10" in text.split("What all runs have in common")[1]


def test_commands_are_those_of_the_command_line(tmp_path):
    found = dict.fromkeys(("synthetic_table1", "compare"), (_experiment(), []))
    read = Reader(page.write(found, tmp_path)[0].read_text(encoding="utf-8"))
    assert "python -m experiments run synthetic_table1" in read.text
    assert "python -m experiments compare" in read.text


def test_marks_and_plain_tables(tmp_path):
    table = Table("Plain", ("a", "b", "c"), (("x", Cell("1", mark="°"), "2"), ("y", "3", "4")))
    plain = _experiment(tables=lambda rows: [table], figures=lambda records: {})
    read = Reader(page.write({"plain": (plain, RECORDS)}, tmp_path)[0].read_text(encoding="utf-8"))
    assert read.rows == [["a", "b", "c"], ["x", "1 °", "2"], ["y", "3", "4"]]
    assert "Bold" not in read.text


def test_an_experiment_without_runs_says_so(tmp_path):
    def refuse(records):
        raise AssertionError("nothing to summarize")

    nothing = _experiment(summarize=refuse, tables=refuse, figures=refuse)
    files = page.write({"table2": (nothing, [])}, tmp_path)
    assert [file.name for file in files] == ["index.html"]
    read = Reader(files[0].read_text(encoding="utf-8"))
    assert "no finished run yet" in read.text
    assert not read.rows


def test_the_same_arguments_give_the_same_bytes(tmp_path):
    found = {"table2": (_experiment(), RECORDS)}
    facts = {"Date": "2021-09-01", "Keras": "3 & up"}
    first, second = (
        [file.read_bytes() for file in page.write(found, tmp_path / name, facts)] for name in "ab"
    )
    assert first == second
    assert b"3 &amp; up" in first[0]


@pytest.mark.parametrize("name", ["$a_{$", "<b>&\"'", "é\udcff", "../..", "{{ x }}", "|*_`#"])
def test_any_name_of_a_data_set_makes_a_page(tmp_path, name):
    records = [
        {"dataset": f"folder:{name}", "image_size": None, "method": method, "backbone": "scnn"}
        | {"train_size": 50, "rounds": 4, "epochs": 3, "batch_size": 25, "learning_rate": 0.005}
        | {"task": "comparison", "seed": seed, "test_accuracy": 0.5, "train_accuracy": 1.0}
        | {"curve": [[1, 0.1], [12, 0.5]], "seconds": 1.0}
        for method in ("BL", "LW")
        for seed in range(2)
    ]
    index, *pictures = page.write({"compare": (compare.EXPERIMENT, records)}, tmp_path, {})
    shown = name.encode(errors="backslashreplace").decode()
    assert f"folder:{shown}" in Reader(index.read_text()).text
    assert all(picture.parent == tmp_path for picture in pictures)


def test_pictures_of_equal_names_are_two_files(tmp_path):
    titles = ["a/b", "a b", "a_b", "x" * 300, "x" * 301]

    def figures(records):
        return {title: ("", lambda title=title: plots.bars(ROWS, title[:3])) for title in titles}

    found = dataclasses.replace(compare.EXPERIMENT, figures=figures, tables=lambda rows: [])
    found = dataclasses.replace(found, summarize=lambda records: records)
    _, *pictures = page.write({"compare": (found, [{"seconds": 1.0}])}, tmp_path, {})
    assert len(set(pictures)) == len(titles)
    assert len({picture.read_bytes() for picture in pictures}) >= 4
    assert all(len(picture.name) < 80 for picture in pictures)


ROWS = [{"method": "BL", "mean": 0.8, "deviation": 0.01}]
