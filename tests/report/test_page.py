"""The page: what it shows, what it says when something is missing, and bad input."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from mtopt_learning.dataset.cache import Dataset
from mtopt_learning.evaluate.intervals import wilson_interval
from mtopt_learning.report.charts import thin, ticks
from mtopt_learning.report.growth import collection_order, running_rate
from mtopt_learning.report.page import ReportInputs, build_report
from mtopt_learning.report.section import HEADINGS
from mtopt_spec.errors import InputError

VOID_TAGS = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Addresses that a page names, its text by section, and whether its tags match."""

    def __init__(self, html: str):
        super().__init__()
        self.addresses: list[str] = []
        self.images: list[str] = []
        self.text: dict[str, str] = {}
        self._open: list[str] = []
        self._section = ""
        self.feed(html)
        assert not self._open

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.addresses += [attributes[k] for k in ("src", "href", "action") if k in attributes]
        if tag == "img":
            self.images.append(attributes["src"])
        if tag == "section" or attributes.get("id") == "headline":
            self._section = attributes["id"]
        if tag not in VOID_TAGS:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self._open.pop() == tag
        if tag == "section":
            self._section = ""

    def handle_data(self, data):
        self.text[self._section] = self.text.get(self._section, "") + " " + data.strip()


@pytest.fixture(scope="module")
def page(dataset_folder, run_folder, detector_folder, result_files, tmp_path_factory) -> Page:
    out = tmp_path_factory.mktemp("page") / "report.html"
    inputs = ReportInputs(
        dataset=dataset_folder,
        run=run_folder,
        detector=detector_folder,
        evaluations=[result_files["scripted"], result_files["learned"]],
        cells=[result_files["cell"]],
        argv=["mtopt", "report", "--dataset", "data"],
    )
    result = build_report(inputs, out)
    assert result["sections"] == list(HEADINGS) and not result["missing"]
    return Page(out.read_text())


def test_it_is_complete_in_itself(page):
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert len(page.images) == 3 * 2 * 3 + 4 * 2 + 12
    for address in page.images:
        encoded = base64.b64decode(address.split(",", 1)[1])
        picture = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
        assert picture.shape[0] >= 64 and picture.shape[1] > 64 and picture[..., :3].std() > 10


def test_the_table_counts_what_the_dataset_holds(page, dataset_folder):
    dataset = Dataset.open(dataset_folder)
    for task, name in enumerate(dataset.tasks):
        mine = dataset.episode_task == task
        labels = dataset.labels("simulator")[mine, task]
        wins, n = int(np.nansum(labels)), int(np.isfinite(labels).sum())
        low, high = wilson_interval(wins, n)
        rate, interval = f"{100 * wins / n:.0f} %", f"{100 * low:.0f}–{100 * high:.0f} %"
        row = rf"{name}\s+.*?{n}\s+{wins}\s+{rate}\s.*?{interval}"
        assert re.search(row, page.text["volume"], re.S), (row, page.text["volume"])
    assert re.search(r"dataset: data\s+120\s+2\s+2\s+0\s", page.text["integrity"])
    assert dataset.fingerprint in page.text["provenance"]


def test_results_stand_side_by_side(page):
    text = page.text["evaluation"]
    assert re.search(r"lift-any\s+30 %\s+15 of 50\s+19–44 %\s+70 %\s+35 of 50\s+56–81 %", text)
    assert re.search(r"place-any\s+44 %\s+22 of 50\s+31–58 %\s+not attempted", text)
    assert "success of qfunction" in page.text["headline"]
    assert re.search(r"2\s+dropped frames\s+2 void episodes", page.text["headline"])


def test_every_section_says_what_it_lacks(tmp_path):
    result = build_report(ReportInputs(argv=["mtopt", "report"]), tmp_path / "empty.html")
    assert result["sections"] == ["provenance"]
    page = Page((tmp_path / "empty.html").read_text())
    for section in result["missing"]:
        assert re.search(r"(--dataset|--run|--detector|--eval|--cell)", page.text[section]), section


def test_no_pictures_where_none_are_wanted(dataset_folder, run_folder, tmp_path):
    inputs = ReportInputs(dataset_folder, run_folder, strips=0, stories=0, argv=["mtopt"])
    build_report(inputs, tmp_path / "out.html")
    assert Page((tmp_path / "out.html").read_text()).images == []


def test_text_from_files_is_escaped(tmp_path):
    path = tmp_path / "bad.json"
    counts = {"<script>alert(1)</script>": {"attempts": 3, "successes": 1}}
    path.write_text(json.dumps({"policy": "<img src=http://x>", "tasks": counts}))
    build_report(ReportInputs(evaluations=[path], argv=["mtopt"]), tmp_path / "out.html")
    page = Page((tmp_path / "out.html").read_text())
    assert page.images == [] and "<script>alert(1)" in page.text["evaluation"]


def test_bad_input_is_named(tmp_path, dataset_folder):
    def report(**given):
        build_report(ReportInputs(argv=["mtopt"], **given), tmp_path / "out.html")

    result = tmp_path / "result.json"
    task = '{"tasks": {"lift-any": %s}%s}'
    for text in (
        "", "no json", "[1]", "[" * 100_000, task % ('{"attempts": 3}', ""), task % ("3", ""),
        task % ('{"attempts": 3, "successes": 5}', ""),
        task % ('{"attempts": "x", "successes": 5}', ""),
        task % ('{"attempts": null, "successes": null}', ""),
        task % ('{"attempts": 3, "successes": 1.5}', ""),
        task % ('{"attempts": 3, "successes": 1, "low": "a", "high": 1}', ""),
        task % ('{"attempts": 3, "successes": 1}', ', "dropped_frames": "a<b"'),
        task % ('{"attempts": 3, "successes": 1}', ', "control_steps_per_s": NaN'),
    ):  # fmt: skip
        result.write_text(text)
        with pytest.raises(InputError, match=r"eval result.*result\.json"):
            report(evaluations=[result])
    with pytest.raises(InputError, match="dataset"):
        report(dataset=tmp_path)
    with pytest.raises(InputError, match="training run"):
        report(run=tmp_path)
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2}\nrubbish\n{"step": 3}\n')
    with pytest.raises(InputError, match="line 2"):
        report(run=tmp_path)
    for metrics in (
        b'{"step": 1}\n\xff\xfe\n{"step": 3}',
        b'{"step": 1}\n{"step": NaN, "loss": 1}',
    ):
        (tmp_path / "metrics.jsonl").write_bytes(metrics)
        with pytest.raises(InputError, match=r"metrics\.jsonl"):
            report(run=tmp_path)
    assert not (tmp_path / "out.html").exists()
    with pytest.raises(InputError, match="--strips"):
        report(strips=-1)
    with pytest.raises(InputError, match="report file"):
        build_report(ReportInputs(argv=["mtopt"]), tmp_path / "missing" / "out.html")


def test_episodes_are_ordered_as_they_were_collected(dataset_folder):
    dataset = Dataset.open(dataset_folder)
    ids = [dataset.episode_ids[i] for i in collection_order(dataset)[:4]]
    assert ids == ["test-robot_1-0", "test-robot_2-0", "test-robot_1-1", "test-robot_2-1"]


def test_running_rate_counts_judged_episodes_only():
    places, rates = running_rate(np.array([np.nan, 1.0, 0.0, np.nan, 1.0, 1.0]), 3)
    assert places.tolist() == [1, 2, 4, 5]
    np.testing.assert_allclose(rates[:, 0], [1, 1 / 2, 2 / 3, 2 / 3])
    np.testing.assert_allclose(rates[1, 1:], wilson_interval(1, 2))
    assert running_rate(np.full(4, np.nan), 3)[0].size == 0


def test_thinned_curves_keep_their_mean_and_gaps():
    values = np.arange(1000.0)
    assert thin(values, 100).mean() == pytest.approx(values.mean())
    values[:500] = np.nan
    assert np.isnan(thin(values, 100)[:50]).all() and np.isfinite(thin(values, 100)[50:]).all()


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.25, 0.5, 0.75, 1]), (0, 70, [0, 20, 40, 60]), (3, 3, [3])],
)
def test_ticks_are_round(low, high, expected):
    assert ticks(low, high, 4) == expected
