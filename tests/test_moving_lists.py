"""Rows that exist during the whole of a scan are read once each, although others come and go."""

import random
import threading

import psycopg
import pytest

from truth import PAGE_SIZES, assert_covers, keys_held, keys_read

UNFINISHED = ("inProgress", "notStarted", "cancelling", "postponed")


def read_while_moving(db, table, where="true", matches=lambda element: True, may_fail=False):
    before = keys_held(db.org, table, matches)
    try:
        found = keys_read(db, table, where)
    except psycopg.Error as error:
        # A list that cannot be caught may be an error; it is never a shorter result.
        assert may_fail and error.sqlstate == "54000", error
        return
    after = keys_held(db.org, table, matches)
    assert_covers(before, after, found)


def is_active(element):
    return element["status"] == "active"


@pytest.mark.parametrize("page_size", PAGE_SIZES)
@pytest.mark.parametrize("more", [{}, {"short_pages": True}, {"builds_grouped_by_status": True}])
def test_builds_that_finish_meanwhile_are_read(new_org, new_db, page_size, more):
    org = new_org(traps={"builds_finish_while_paging": True, **more})
    for project in org.dump("projects"):
        for status in UNFINISHED:
            build = {"op": "put_build", "project": project["name"], "build": {"status": status}}
            org.mutate(*[build] * 10)
    db = new_db(org, **({"page_size": page_size} if page_size else {}))
    read_while_moving(db, "builds")


@pytest.mark.parametrize("page_size", PAGE_SIZES)
@pytest.mark.parametrize("order", ["true", "finish_time > '2000-01-01'"])
def test_builds_that_are_run_again_meanwhile_are_read(new_org, new_db, page_size, order):
    org = new_org(traps={"builds_retried_while_paging": True})
    db = new_db(org, **({"page_size": page_size} if page_size else {}))
    finished = order != "true"
    read_while_moving(db, "builds", order, lambda e: not finished or "finishTime" in e)


@pytest.mark.parametrize("page_size", PAGE_SIZES)
@pytest.mark.parametrize("where", ["true", "status = 'active'"])
@pytest.mark.parametrize(
    "traps",
    [
        {"pull_requests_inserted_while_paging": True},
        {"pull_requests_removed_while_paging": True},
        {"pull_requests_inserted_while_paging": True, "short_pages": True},
        {"pull_requests_removed_while_paging": True, "short_pages": True},
        {"pull_requests_inserted_while_paging": True, "pull_requests_removed_while_paging": True},
    ],
    ids=lambda traps: "+".join(traps),
)
def test_pull_requests_that_come_and_go_meanwhile_hide_no_other(
    new_org, new_db, page_size, where, traps
):
    org = new_org(projects=2, pull_requests_per_project=60)
    for repository in org.dump("repositories"):
        fresh = {"op": "put_pull_request", "repository": repository["id"], "pull_request": {}}
        org.mutate(*[fresh] * 12)
    org.patch(traps=traps)
    db = new_db(org, **({"page_size": page_size} if page_size else {}))
    matches = is_active if "active" in where else lambda element: True
    # Every request changes the list, and at random shows less than it was asked for.
    read_while_moving(db, "pull_requests", where, matches, may_fail=len(traps) > 1)


class Meddler(threading.Thread):
    """Calls `act` once, when a request that `matches` has arrived and waits for its answer.

    The simulator answers after its latency, from the contents at that time.
    """

    def __init__(self, org, matches, act):
        super().__init__(daemon=True)
        self.org, self.matches, self.act = org, matches, act
        self.acted, self.over = False, threading.Event()

    def run(self):
        while not self.over.is_set():
            waiting = (r for r in self.org.requests() if r["finished_ms"] is None)
            if any(self.matches(request) for request in waiting):
                self.act()
                self.acted = True
                return

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def has_status(value):
    return lambda r: r["endpoint"] == "builds" and ["statusFilter", value] in r["query"]


def test_a_build_that_is_run_again_before_its_page_is_read(new_org, new_db):
    """Of several pages: with a single one, two requests are all that is sent (see the README)."""
    org = new_org(projects=1, latency_ms=200)
    completed = org.dump("builds")
    completed = [b for b in completed if b["status"] == "completed"]
    chosen = max(completed, key=lambda b: b["queueTime"])["id"]
    db = new_db(org, page_size=10)

    def act():
        org.mutate({"op": "retry_build", "id": chosen})

    with Meddler(org, has_status("completed"), act) as meddler:
        found = keys_read(db, "builds")
    assert meddler.acted
    assert found == keys_held(org, "builds")


def test_a_build_that_starts_while_the_unfinished_are_read_is_read(new_org, new_db):
    org = new_org(projects=1, builds_per_project=5, latency_ms=200)
    name = org.dump("projects")[0]["name"]
    for status in UNFINISHED:
        build = {"op": "put_build", "project": name, "build": {"status": status}}
        org.mutate(*[build] * 6)
    waiting = keys_held(org, "builds", lambda e: e["status"] == "notStarted")
    db = new_db(org, page_size=50)
    db.server_options(page_size=10)

    def act():
        start = {"status": "inProgress", "startTime": "2026-06-30T12:30:00Z"}
        org.mutate(*[{"op": "put_build", "build": {"id": id, **start}} for (id,) in waiting])

    with Meddler(org, has_status("notStarted"), act) as meddler:
        found = keys_read(db, "builds")
    assert meddler.acted
    assert found == keys_held(org, "builds")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("table", ["builds", "pull_requests", "work_item_revisions"])
def test_a_busy_organization_is_read_completely(new_org, new_db, table, seed):
    org = new_org(seed=seed, latency_ms=5)
    chance = random.Random(f"{table} {seed}")
    org.patch(traps={"short_pages": chance.random() < 0.5})
    db = new_db(org, page_size=chance.choice([2, 3, 7]))
    over = threading.Event()
    worker = threading.Thread(target=_work, args=(org, table, chance, over))
    before = keys_held(org, table)
    worker.start()
    try:
        found = keys_read(db, table)
    finally:
        over.set()
        worker.join()
    assert_covers(before, keys_held(org, table), found)


def _work(org, table, chance, over):
    """People at work: each row changes at most once."""
    projects = [p["name"] for p in org.dump("projects") if p["state"] == "wellFormed"]
    elements = org.dump(table)
    chance.shuffle(elements)
    while not over.is_set() and elements:
        element, project = elements.pop(), chance.choice(projects)
        org.mutate(chance.choice(_CHANGES[table])(element, project))


_CHANGES = {
    "builds": [
        lambda e, p: {"op": "put_build", "project": p, "build": {}},
        lambda e, p: {"op": "delete_build", "id": e["id"]},
        lambda e, p: {"op": "finish_build", "id": e["id"]},
    ],
    "pull_requests": [
        lambda e, p: {"op": "put_pull_request", "project": p, "pull_request": {}},
        lambda e, p: {"op": "delete_pull_request", "id": e["pullRequestId"]},
        lambda e, p: {"op": "close_pull_request", "id": e["pullRequestId"]},
    ],
    "work_item_revisions": [
        lambda e, p: {"op": "put_revision", "id": e["id"], "fields": {"System.Title": "new"}},
        lambda e, p: {"op": "put_revision", "project": p, "fields": {}},
    ],
}
