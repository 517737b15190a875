"""The whole way, small: every stage of `mtopt demo` with the real parts."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALL = ["--minutes", "0.5", "--robots", "2", "--cell-episodes", "4", "--collect-episodes", "100"]


def demo(folder: Path, *arguments: str, told: str = "--json") -> subprocess.CompletedProcess:
    return subprocess.run(
        [ROOT / "mtopt", "demo", "--out", folder, *SMALL, *arguments, *told.split()],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.timeout(400)
def test_the_whole_way_and_again(tmp_path):
    done = demo(tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    for policy in ("scripted", "shipped", "learned"):
        row = result[policy]["tasks"]["lift-any"]
        assert row["attempts"] == 4 and 0 <= row["low"] <= row["high"] <= 1
    assert Path(result["report"]).stat().st_size > 50_000
    assert (tmp_path / "cell.mp4").stat().st_size > 10_000
    assert "that training left out" in Path(result["report"]).read_text(), "of the detector"

    written_ns = {path: path.stat().st_mtime_ns for path in tmp_path.glob("stages/*.json")}
    again = demo(tmp_path)
    assert json.loads(again.stdout.splitlines()[-1]) == result
    table = demo(tmp_path, told="").stdout
    assert "lift-any" in table and f"report: {result['report']}" in table
    assert len(written_ns) >= 7, "every stage leaves its result"
    assert {path: path.stat().st_mtime_ns for path in written_ns} == written_ns, "a stage ran again"

    other = demo(tmp_path, "--seed", "1")
    assert other.returncode == 2 and "name another folder" in other.stderr


@pytest.mark.timeout(400)
def test_from_scratch_the_shipped_model_is_left_out(tmp_path):
    done = demo(tmp_path, "--from-scratch", "--minutes", "0.3")
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert "shipped" not in result and result["learned"]["tasks"]["lift-any"]["attempts"] == 4
    first = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    assert first["step"] >= 1
