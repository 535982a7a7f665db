"""Instructions per row, counted by valgrind: the one figure that a busy machine does not change.

A single-user server runs the statement, since valgrind cannot attach to a backend. Two sizes are
read and subtracted, so that starting costs nothing.
"""

import os
import re
import shutil
import subprocess

from harness.environment import server_user

from .report import Row
from .stage import THREE, Stage, scanning

_COLLECTED = re.compile(r"Collected : (\d+)")
_READERS = {"count": "`count(*)`", "three": "three columns", "all": "all columns"}


def rows(stage: Stage) -> list[Row]:
    """Ends the server: a single-user one needs its data."""
    if shutil.which("valgrind") is None:
        why = "not available: valgrind is not installed"
        return [_row(name, why, "", None) for name in _READERS]
    names = [f"instructions_{size}" for size in stage.arguments.instructions]
    small, large = stage.arguments.instructions
    with (
        stage.organization(names[0], small, cache=True) as first,
        stage.organization(names[1], large, cache=True) as second,
    ):
        read, urls = {}, {}
        for org in (first, second):
            count = f"SELECT count(*) FROM {org.name}.builds"
            urls[org.name] = stage.urls(org, count)
            read[org.name] = stage.database.value(count)
        between = read[second.name] - read[first.name]
        stage.cluster.stop(keep=True)

        def per_row(counted: dict[str, int]) -> float:
            return (counted[second.name] - counted[first.name]) / between

        floor = per_row({org.name: _floor(stage, org, urls[org.name]) for org in (first, second)})
        found = []
        for name in _READERS:
            each = per_row({org: _server(stage, _statement(name, org)) for org in names})
            found.append(_row(name, f"{each:,.0f}", f"{floor:,.0f}", each / floor))
    return found


def _row(name: str, measured: str, floor: str, ratio: float | None) -> Row:
    what = f"instructions per row: {_READERS[name]}"
    against = "the same pages parsed to nothing"
    return Row(f"instructions-{name}", what, measured, against, floor, ratio, "")


def _statement(name: str, schema: str) -> str:
    if name == "count":
        return f"SELECT count(*) FROM {schema}.builds"
    return scanning(THREE if name == "three" else "*", schema)


def _server(stage: Stage, statement: str) -> int:
    command = [stage.cluster.postgres.program("postgres"), "--single"]
    command += ["-D", str(stage.cluster.data), stage.database.name]
    return _count(stage, command, f"{statement}\n", server_user())


def _floor(stage: Stage, org, urls: list[str]) -> int:
    return _count(stage, stage.floor_command(org), "".join(f"{url}\n" for url in urls), None)


def _count(stage: Stage, command: list[str], text: str, user: str | None) -> int:
    # The profile itself is not wanted, only its sum.
    profile = stage.cluster.data / "callgrind.out"
    valgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}"]
    owner = {"user": user, "group": user, "extra_groups": []} if user else {}
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "HOME"))}
    done = subprocess.run(
        [*valgrind, *command],
        input=text,
        capture_output=True,
        text=True,
        cwd="/",
        env=environment,
        **owner,
    )
    profile.unlink(missing_ok=True)
    collected = _COLLECTED.search(done.stderr)
    if done.returncode or collected is None or "ERROR:" in done.stderr:
        raise RuntimeError(f"{command[0]} failed under valgrind:\n{done.stderr[-4000:]}")
    return int(collected[1])
