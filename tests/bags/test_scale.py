"""`mtopt benchmark scale` on a small data set: the real format, and pictures that take no room."""

import json

import numpy as np

from mtopt_bringup.main import main
from mtopt_learning.dataset.cache import Dataset
from mtopt_spec.interfaces import EndReason


def test_the_synthetic_data_set_is_one_like_any_other(tmp_path, capsys):
    out = tmp_path / "data"
    assert main(["benchmark", "scale", "--episodes", "2000", "--out", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"open_s", "rss_gb", "sample_ms", "sample_p99_ms", "uniform_ms"} <= set(result)
    assert (result["episodes"], result["tasks"], result["batch"]) == (2000, 12, 256)
    assert result["disk_gb"] < 0.05 * result["apparent_gb"]
    dataset = Dataset.open(out)
    assert dataset.n_obs == result["observations"] == (dataset.episode_steps + 1).sum()
    assert np.bincount(dataset.episode_task, minlength=12).argmax() == 0
    assert set(dataset.episode_reason) == {EndReason.TERMINATE, EndReason.LIMIT}
    last = dataset.last_row(np.arange(2000))
    assert np.isnan(dataset.action[last]).all() and dataset.images["wrist"][last[-1]].max() == 0
    assert np.isfinite(dataset.action[dataset.action_rows]).all()
    assert np.isfinite(dataset.labels("best")).all()
    assert 0.05 < np.isfinite(dataset.labels("simulator")).mean() < 0.15
