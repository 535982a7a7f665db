"""Starts, shows and stops the demo: a private PostgreSQL and a simulated organization.

Both outlive this process. A file beside the server's data says which processes they are, so that
the next start and `stop` find them.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from harness import build  # noqa: E402
from harness.cluster import Cluster  # noqa: E402
from harness.environment import private_directory  # noqa: E402
from harness.processes import end  # noqa: E402
from harness.simulator import Simulator  # noqa: E402

# The demo's own test uses another name and leaves the user's demo alone.
NAME = os.environ.get("DEMO_NAME", "demo")
ORGANIZATION = ["--organization", "contoso", "--now", "real", "--projects", "4", "--builds", "2000"]
CONTENTS = ["--pull-requests", "300", "--work-items", "500"]


def state_file() -> Path:
    return private_directory() / f"{NAME}.json"


def start() -> None:
    stop()
    postgres, binary = build.extension(), build.simulator()
    # No port: whoever can reach the socket, this user alone, is superuser without a password.
    cluster = Cluster(postgres, name=NAME, settings={"listen_addresses": ""}, survives=True)
    state = {"directories": [str(cluster.directory), str(cluster.socket_directory)]}
    # After each step, so that whatever fails later can be stopped.
    remember(state)
    cluster.start()
    remember(state, cluster.pid, postgres.program("postgres"))
    simulator = Simulator.start(binary, *ORGANIZATION, *CONTENTS, survives=True)
    remember(state, simulator.process.pid, str(binary))
    with cluster.connect() as connection:
        connection.execute("CREATE DATABASE demo")

    psql = [postgres.program("psql"), "-X", "-e", "-P", "pager=off"]
    psql += ["-v", f"base_url={simulator.url}/contoso"]
    environment = cluster.environment("demo")
    print(f"PostgreSQL and an Azure DevOps simulator ({simulator.url}) are running.", flush=True)
    with open(HERE / "tour.sql") as tour:
        # One stream, so that notices stand before the result they belong to.
        subprocess.run(psql, stdin=tour, stderr=subprocess.STDOUT, env=environment, check=True)
    program = "psql" if shutil.which("psql") else postgres.program("psql")
    print(ENDING.format(psql=program, socket=cluster.socket_directory, port=cluster.port))


def stop() -> bool:
    """Whether there was something to stop."""
    if not state_file().exists():
        return False
    state = json.loads(state_file().read_text())
    for pid, program in state.get("processes", []):
        # After a restart of the machine the number may belong to something else.
        if runs(pid, program):
            end(pid, signal.SIGINT, signal.SIGQUIT)
    for directory in state["directories"]:
        shutil.rmtree(directory, ignore_errors=True)
    state_file().unlink()
    return True


def remember(state: dict, pid: int | None = None, program: str = "") -> None:
    if pid is not None:
        state.setdefault("processes", []).append([pid, program])
    state_file().write_text(json.dumps(state))


def runs(pid: int, program: str) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0] == program
    except OSError:
        return False


ENDING = """
That was the tour; PostgreSQL and the simulator keep running.

Look around:        {psql} -h {socket} -p {port} -U postgres demo

Your organization:  in that psql, with a token that may read Build, Code and Work Items:

    CREATE SERVER mine FOREIGN DATA WRAPPER azure_devops_fdw OPTIONS (organization 'myorg');
    CREATE USER MAPPING FOR CURRENT_USER SERVER mine OPTIONS (pat '…');
    CREATE SCHEMA mine;
    IMPORT FOREIGN SCHEMA azure_devops FROM SERVER mine INTO mine;

Stop it:            make demo-stop
"""

if __name__ == "__main__":
    if sys.argv[1:] == ["start"]:
        start()
    elif sys.argv[1:] == ["stop"]:
        print("The demo is stopped." if stop() else "The demo is not running.")
    else:
        sys.exit("usage: demo.py start|stop")
