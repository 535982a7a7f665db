"""What processes cost: CPU seconds, wall clock, memory."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """Of one run of a contestant."""

    wall: float
    cpu: float
    simulator_cpu: float


class Costs:
    """Of all runs of the contestants, which take turns."""

    def __init__(self) -> None:
        self._runs: dict[str, list[Cost]] = {}

    def add(self, contestant: str, cost: Cost) -> None:
        self._runs.setdefault(contestant, []).append(cost)

    def median(self, contestant: str, what: str) -> float:
        return median(getattr(cost, what) for cost in self._runs[contestant])

    def ratio(self, contestant: str, other: str, what: str) -> float:
        """The median of the runs' ratios: what disturbs one run disturbs both of its turns."""
        pairs = zip(self._runs[contestant], self._runs[other], strict=True)
        # The kernel counts in hundredths of a second; less than one is not nothing.
        least = 1 / _TICKS
        return median(max(getattr(a, what), least) / max(getattr(b, what), least) for a, b in pairs)

    def served(self, contestant: str) -> float:
        """The simulator's CPU seconds for one of the contestant's."""
        runs = self._runs[contestant]
        return median(cost.simulator_cpu / max(cost.cpu, 1 / _TICKS) for cost in runs)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads, ended ones included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak_kilobytes(pid: int) -> int:
    """The most memory that a process has had so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise RuntimeError(f"process {pid} does not tell its memory")


def measure(pid: int, simulator: int, work: Callable[[], object]) -> Cost:
    """What the work costs in a process that runs already."""
    before, served, started = cpu_seconds(pid), cpu_seconds(simulator), time.perf_counter()
    work()
    wall = time.perf_counter() - started
    return Cost(wall, cpu_seconds(pid) - before, cpu_seconds(simulator) - served)


def measure_child(command: Sequence[str], simulator: int, text: str = "") -> tuple[Cost, str]:
    """What a process of its own costs, and what it prints."""
    served, started = cpu_seconds(simulator), time.perf_counter()
    # wait4 tells the cost of this child alone.
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    with process.stdin, process.stdout:
        process.stdin.write(text)
        process.stdin.close()
        output = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"{command[0]} failed with {process.returncode}")
    cpu = used.ru_utime + used.ru_stime
    return Cost(wall, cpu, cpu_seconds(simulator) - served), output
