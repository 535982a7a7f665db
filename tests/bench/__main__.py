"""Measures, prints the table, and writes it into the README if asked to."""

import sys

from . import instructions, latency, memory, refresh, report, scans
from .arguments import parse
from .stage import stage


def main() -> None:
    words = sys.argv[1:]
    arguments = parse(words)
    with stage(arguments) as scene:
        version = scene.database.value("SHOW server_version").split()[0]
        where = report.machine(version)
        print(where, flush=True)
        with scene.organization("scans", arguments.builds, cache=True) as org:
            rows = _note(scans.rows(scene, org))
            rows += _note(latency.rows(scene, org))
            rows += _note(refresh.rows(scene, org))
            builds = scene.database.value("SELECT count(*) FROM analytics.plain")
        rows += _note(memory.rows(scene))
        rows += _note(instructions.rows(scene))
    report.check(rows, arguments.memory)
    table = report.table(rows)
    print(f"\n{table}")
    if arguments.write:
        rest = " ".join(word for word in words if word != "--write")
        command = "make bench" + (f' ARGS="{rest}"' if rest else "")
        size = f"{builds:,} builds of about {arguments.bytes:,} bytes in {arguments.projects} projects"
        runs = f"medians of {arguments.runs} runs"
        report.write(f"{table}\n\n`{command}`: {size}, {runs}. {where}")


def _note(rows: list[report.Row]) -> list[report.Row]:
    """Says at once what was measured: the whole takes many minutes."""
    for row in rows:
        print(f"{row.what}: {row.measured}; {row.against}: {row.reference}", flush=True)
    return rows


if __name__ == "__main__":
    main()
