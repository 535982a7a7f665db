"""Sizes of a run. The defaults are what the README's table is measured with."""

import argparse
from collections.abc import Sequence


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description="Give the options as ARGS='--builds 20000 --runs 3'."
    )
    add = parser.add_argument
    add("--builds", type=int, default=200_000, help="builds of the organization (%(default)s)")
    add("--projects", type=int, default=40, help="projects that hold them (%(default)s)")
    add("--bytes", type=int, default=6_000, help="size of a build, about (%(default)s)")
    add("--runs", type=int, default=3, help="times that everything is measured (%(default)s)")
    add("--latency-ms", type=int, default=50, help="latency of an answer (%(default)s)")
    add(
        "--memory",
        type=_numbers,
        default=(10_000, 100_000, 1_000_000),
        help="builds of the scans whose memory is measured (10000,100000,1000000)",
    )
    add(
        "--instructions",
        type=_numbers,
        default=(1_000, 3_000),
        help="builds of the two scans whose instructions are counted (1000,3000)",
    )
    add("--suites-build", action="store_true", help="take the extension as the suites build it")
    add("--write", action="store_true", help="write the table into README.md")
    arguments = parser.parse_args(words)
    if len(arguments.instructions) != 2:
        parser.error("--instructions takes two numbers")
    if arguments.write and arguments.suites_build:
        parser.error("the README's table is of an optimised build: not with --suites-build")
    return arguments


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))
