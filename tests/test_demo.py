"""`make demo` shows what it promises, can be repeated, and `make demo-stop` leaves nothing."""

import json
import os
import re
import subprocess

import pytest

from harness.environment import REPOSITORY, private_directory
from harness.processes import is_alive

# Built already, for the session; not again within a test's time limit.
ENVIRONMENT = {**os.environ, "DEMO_NAME": "demo-of-the-tests", "NO_BUILD": "1"}
STATE = private_directory() / "demo-of-the-tests.json"


def demo(script: str) -> str:
    options = {"env": ENVIRONMENT, "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
    command = [str(REPOSITORY / "tests/demo" / script)]
    done = subprocess.run(command, stderr=subprocess.STDOUT, text=True, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout


def processes() -> list[int]:
    return [pid for pid, _ in json.loads(STATE.read_text())["processes"]]


@pytest.fixture(scope="module")
def tour(postgres, simulator):
    # Twice: the second one replaces what the first one left running.
    demo("run")
    first = processes()
    output = demo("run")
    assert not any(is_alive(pid) for pid in first)
    yield output
    demo("stop")


def rows_after(output: str, heading: str) -> list[list[str]]:
    """The cells of the rows of the last table of that part."""
    part = output.split(f"=== {heading}")[1].split("\n===")[0].split("\nThat was the tour")[0]
    table = re.findall(r"^-[-+]+-$\n((?:^ .*\n)+)^\(\d+ rows?\)$", part, re.MULTILINE)[-1]
    return [[cell.strip() for cell in line.split("|")] for line in table.splitlines()]


def test_every_table_is_counted(tour):
    counts = {name: int(count) for name, count in rows_after(tour, "2.")}
    assert len(counts) == 5
    assert all(counts.values())


def test_local_table_is_joined_with_builds(tour):
    assert [row[0] for row in rows_after(tour, "3.")] == ["4.1", "4.2", "4.3", "4.4", "4.5"]


def test_filter_goes_along_with_the_requests(tour):
    requests = re.findall(r"^NOTICE: +GET (.*/build/builds.*)$", tour, re.MULTILINE)
    assert requests and all("minTime=" in request for request in requests)
    assert rows_after(tour, "4.")


def test_cycle_times_and_history_are_shown(tour):
    assert all(float(row[2]) > 0 for row in rows_after(tour, "5."))
    history = rows_after(tour, "6.")
    for this, following in zip(history, history[1:]):
        # The end of a state is the beginning of the item's next one.
        assert this[4] == (following[3] if this[0] == following[0] else "")


def test_only_the_mistyped_option_is_refused(tour):
    assert re.findall(r"^ERROR.*", tour, re.MULTILINE) == [
        'ERROR:  invalid option "max_concurency"'
    ]
    assert 'HINT:  Perhaps you meant the option "max_concurrency"' in tour


def test_ending_says_how_to_go_on(tour):
    ending = tour.split("That was the tour")[1]
    assert "OPTIONS (organization 'myorg')" in ending
    assert "make demo-stop" in ending
    (command,) = re.findall(r"Look around: +(psql .*|/.*)", ending)
    query = [*command.split(), "-XAtc", "SELECT count(*) FROM ado.projects"]
    assert int(subprocess.run(query, check=True, capture_output=True, text=True).stdout) > 0


def test_stop_leaves_nothing(tour):
    running = processes()
    assert len(running) == 2 and all(is_alive(pid) for pid in running)
    directories = json.loads(STATE.read_text())["directories"]
    assert "stopped" in demo("stop")
    assert not any(is_alive(pid) for pid in running)
    assert not any(os.path.exists(directory) for directory in directories)
    assert "not running" in demo("stop")
