"""The Azure DevOps stand-in, and its control API."""

import json
import signal
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from .processes import end_child

# The extension's names where the simulator has others.
_DUMPS = {"work_item_revisions": "revisions"}
PAT = "simulator-token"


class Simulator:
    """A running simulator; organizations are made with `organization`."""

    def __init__(self, url: str, process: subprocess.Popen | None = None):
        self.url = url
        self.process = process

    @classmethod
    def start(cls, binary: Path, *options: str, survives: bool = False) -> "Simulator":
        """Ends with this process unless it survives; then it is the caller's to end by its pid."""
        process = subprocess.Popen(
            [str(binary), *options, *([] if survives else ["--exit-with-parent"])],
            stdin=subprocess.DEVNULL if survives else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if survives else None,
            start_new_session=True,
            text=True,
        )
        first = process.stdout.readline()
        if not first.startswith("listening on "):
            process.kill()
            raise RuntimeError(f"the simulator does not start: {first!r}")
        return cls(first.split()[-1], process)

    def stop(self) -> None:
        if self.process is not None:
            end_child(self.process, signal.SIGTERM)

    def organization(self, name: str, **specification) -> "Organization":
        """Creates the organization, or creates it anew."""
        self.control("PUT", f"organizations/{name}", specification)
        return Organization(self, name, specification.get("pat", PAT))

    def patch(self, name: str, **changes) -> dict:
        """Changes latency_ms, pat, gzip, caps, traps, faults; what is not named stays."""
        return self.control("PATCH", f"organizations/{name}", changes)

    def faults(self, name: str, *faults: dict) -> None:
        """Replaces the organization's faults; none: all is well again."""
        self.control("PUT", f"organizations/{name}/faults", list(faults))

    def requests(self, name: str | None = None) -> list[dict]:
        """The log: one entry per request, oldest first."""
        return self.control("GET", "requests" + _filter(name))

    def summary(self, name: str | None = None) -> dict:
        """The log in sums: requests, bytes, max_concurrent, per endpoint …"""
        return self.control("GET", "requests/summary" + _filter(name))

    def clear(self) -> None:
        """Empties the log, for all organizations."""
        self.control("DELETE", "requests")

    def dump(self, name: str, table: str, **query: str) -> list[dict]:
        """All elements that a full read of the extension's table should see."""
        path = f"organizations/{name}/dump/{_DUMPS.get(table, table)}"
        answer = self.control("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""))
        return answer.get("value", answer.get("values"))

    def mutate(self, name: str, *operations: dict) -> list:
        """Changes the organization's contents; the ids of what was changed."""
        return self.control("POST", f"organizations/{name}/mutate", list(operations))["ids"]

    def remove(self, name: str) -> None:
        self.control("DELETE", f"organizations/{name}")

    def control(self, method: str, path: str, body: object = None):
        """A request to the control API; bytes go as they are, anything else as JSON."""
        raw = body is None or isinstance(body, bytes)
        data = body if raw else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/__sim/{path}", data, method=method)
        try:
            with _DIRECT.open(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from None


class Organization:
    """One organization of a simulator: the simulator's methods without the name."""

    def __init__(self, simulator: Simulator, name: str, pat: str):
        self.simulator = simulator
        self.name = name
        self.pat = pat
        self.url = f"{simulator.url}/{name}"

    def patch(self, **changes) -> dict:
        return self.simulator.patch(self.name, **changes)

    def faults(self, *faults: dict) -> None:
        self.simulator.faults(self.name, *faults)

    def requests(self, endpoint: str | None = None) -> list[dict]:
        entries = self.simulator.requests(self.name)
        return [e for e in entries if endpoint is None or e["endpoint"] == endpoint]

    def summary(self) -> dict:
        return self.simulator.summary(self.name)

    def dump(self, table: str, **query: str) -> list[dict]:
        return self.simulator.dump(self.name, table, **query)

    def mutate(self, *operations: dict) -> list:
        return self.simulator.mutate(self.name, *operations)


def _filter(name: str | None) -> str:
    return "" if name is None else "?organization=" + urllib.parse.quote(name)


# Never through a proxy that the environment names.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
