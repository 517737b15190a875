"""The page in a real browser: it loads nothing, shows every picture, fits the window."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtopt_learning.report.page import ReportInputs, build_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

PROBE = """
<script>addEventListener("load", function () {
  var found = {
    resources: performance.getEntriesByType("resource").map(function (r) { return r.name; }),
    images: Array.from(document.images, function (i) { return [i.naturalWidth, i.clientWidth]; }),
    sections: Array.from(document.querySelectorAll("section"), function (s) {
      return [s.id, s.getBoundingClientRect().height]; }),
    overflow: document.documentElement.scrollWidth - innerWidth,
    width: innerWidth,
    clipped: Array.from(document.querySelectorAll("svg.chart text"), function (t) {
      var b = t.getBoundingClientRect();
      return b.right > innerWidth || b.left < 0 ? t.textContent : null;
    }).filter(Boolean)
  };
  var note = document.createElement("pre");
  note.id = "probe";
  note.textContent = JSON.stringify(found);
  document.body.appendChild(note);
});</script></body>
"""


def chromium(page: Path, folder: Path, *options: str) -> str:
    """What a headless browser prints about a page."""
    quiet = "--headless --no-sandbox --disable-gpu --hide-scrollbars --disable-dev-shm-usage"
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [CHROMIUM, *quiet.split(), "--no-first-run", profile, *options, page.as_uri()]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=90, check=True, cwd=folder
    ).stdout


@pytest.fixture(scope="module")
def page(dataset_folder, run_folder, result_files, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("browser") / "report.html"
    inputs = ReportInputs(
        dataset_folder, run_folder, None, [result_files["learned"]], [result_files["cell"]],
        argv=["mtopt", "report"],
    )  # fmt: skip
    build_report(inputs, out)
    return out


@pytest.mark.parametrize("width", [1280, 500])
def test_it_loads_nothing_and_shows_everything(page, tmp_path, width):
    probed = tmp_path / "probed.html"
    probed.write_text(page.read_text().replace("</body>", PROBE))
    dom = chromium(probed, tmp_path, f"--window-size={width},900", "--dump-dom")
    found = json.loads(unescape(re.search(r'<pre id="probe">(.*?)</pre>', dom)[1]))
    assert [name for name in found["resources"] if not name.startswith("data:")] == []
    assert len(found["images"]) == page.read_text().count("<img ") > 26
    assert all(natural > 0 and shown > 100 for natural, shown in found["images"])
    assert len(found["sections"]) == 9 and all(height > 60 for _, height in found["sections"])
    assert found["overflow"] <= 0 and found["clipped"] == [], found


def test_light_and_dark_themes_are_painted(page, tmp_path):
    pictures = {}
    for theme in ("light", "dark"):
        themed = tmp_path / f"{theme}.html"
        themed.write_text(page.read_text().replace("<html ", f'<html data-theme="{theme}" '))
        chromium(themed, tmp_path, "--window-size=1000,700", f"--screenshot={theme}.png")
        pictures[theme] = cv2.imread(str(tmp_path / f"{theme}.png"))
    assert pictures["light"].shape == pictures["dark"].shape == (700, 1000, 3)
    assert np.median(pictures["light"]) > 235 and np.median(pictures["dark"]) < 45
    for picture in pictures.values():
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 200
