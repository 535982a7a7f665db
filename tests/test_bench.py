"""make bench brings its whole table. Nothing here looks at a time."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from bench import report
from bench.arguments import parse
from harness.environment import REPOSITORY, environment

SIZES = (120, 400)
TINY = ["--builds", "300", "--projects", "4", "--bytes", "1500", "--runs", "2", "--latency-ms", "1"]
TINY += ["--memory", ",".join(map(str, SIZES)), "--instructions", "60,180", "--suites-build"]


# The floor may have to be built first, and valgrind takes its time.
@pytest.mark.timeout(900)
def test_a_tiny_run_brings_every_row(postgres):
    """Built beforehand by the fixture; the run has a server and a simulator of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench", *TINY],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={**environment(), "PYTHONPATH": str(REPOSITORY / "tests")},
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["what", "measured", "against", "measured", "ratio", "goal", "reached"]
    rows = cells[1:]
    # The run itself refuses a table that lacks a row by name.
    assert len(rows) == len(report.NAMES) + len(SIZES)
    assert len({row[0] + row[2] for row in rows}) == len(rows)
    for row in rows:
        assert len(row) == 7
        if not row[1].startswith("not available: "):
            assert re.fullmatch(r"[\d,.]+( s| MB)?", row[1]), row
            assert re.fullmatch(r"[\d,.]+( s| MB)?", row[3]), row
            assert row[4] == "–" or float(row[4]) >= 0, row
        assert bool(row[6]) == bool(re.match(r"[≤≥]", row[5])), "a goal is judged, nothing else is"


def test_a_table_that_lacks_a_row_is_refused():
    rows = [
        report.Row(name, name, "1 s", "x", "1 s", 1.0, "")
        for name in (*report.NAMES, *(f"memory-{size}" for size in SIZES))
    ]
    report.check(rows, SIZES)
    for wrong in (rows[1:], rows + rows[:1]):
        with pytest.raises(RuntimeError, match="instead of"):
            report.check(wrong, SIZES)


def test_the_table_goes_between_the_markers_of_the_readme(tmp_path, monkeypatch):
    original = report.README.read_text()
    copy = tmp_path / "README.md"
    copy.write_text(original)
    monkeypatch.setattr(report, "README", copy)
    report.write("| a \\1 table |")
    report.write("| a \\2 table |")
    text = copy.read_text()
    assert "a \\2 table" in text and "a \\1 table" not in text
    outside = [re.sub(f"{report.BEGIN}.*{report.END}", "", t, flags=re.S) for t in (text, original)]
    assert outside[0] == outside[1]


def test_only_an_optimised_build_is_written_down(capsys):
    with pytest.raises(SystemExit):
        parse(["--write", "--suites-build"])
    assert "optimised" in capsys.readouterr().err


def test_the_floor_is_built_like_the_extension():
    """With other versions or another profile it would be a floor of something else."""
    floor = REPOSITORY / "tests/bench/floor"
    package = re.compile(r'name = "(.+)"\nversion = "(.+)"\nsource')
    ours, theirs = (
        set(package.findall((folder / "Cargo.lock").read_text())) for folder in (REPOSITORY, floor)
    )
    assert {"reqwest", "tokio", "serde_json", "hyper", "flate2"} <= {name for name, _ in theirs}
    assert theirs <= ours
    for part in ("dependencies", "profile.release"):
        ours, theirs = (_part(folder / "Cargo.toml", part) for folder in (REPOSITORY, floor))
        assert theirs and theirs <= ours, part


def _part(manifest: Path, name: str) -> set[str]:
    """The lines of a part that say something."""
    part = manifest.read_text().partition(f"\n[{name}]\n")[2].partition("\n[")[0]
    return {line for line in part.splitlines() if line and not line.startswith("#")}
