"""Random faults at random places: the result is complete and exact, or it is an error."""

import os
import random

import psycopg
import pytest

from harness.database import TABLES, Database
from truth import keys_held, keys_read

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "60"))
RETRIES = 3

PASSING = [
    "json_500", "html_502", "throttle_429", "throttle_429_html", "service_503",
    "reset_before_headers", "reset_mid_body", "truncated_json", "truncated_body",
    "retry_after_200", "slow_drip",
]  # fmt: skip
LASTING = [
    "auth_203", "auth_302", "auth_401", "forbidden_403", "not_found_404_html",
    "wrong_content_type", "value_missing", "value_not_array", "element_not_object", "token_repeats",
]  # fmt: skip
STALLING = ["stalled_headers", "stalled_body"]
SQLSTATES = {"08006", "HV00N", "53400", "28000", "42501", "HV000", "HV004", "54000"}
ENDPOINTS = ["projects", "repositories", "builds", "pull_requests", "revisions", "any"]


def random_fault(chance):
    kinds = chance.choices([PASSING, LASTING, STALLING], weights=[12, 3, 1])[0]
    fault = {"kind": chance.choice(kinds), "endpoint": chance.choice(ENDPOINTS)}
    fault["nth"] = chance.sample(range(1, 25), chance.randint(1, 3))
    if fault["kind"] in ("truncated_json", "truncated_body", "reset_mid_body", "stalled_body"):
        fault["after_bytes"] = chance.choice([0, 1, 15, 100, 2000, 5000])
    if fault["kind"] == "slow_drip":
        fault.update(after_bytes=4096, delay_ms=10)
    if fault["kind"] == "retry_after_200":
        fault["retry_after"] = 0
    return fault


@pytest.fixture(scope="module")
def surroundings(simulator, cluster):
    """One organization and database for all rounds: what a fault left behind would show."""
    specification = {"builds_per_project": 30, "pull_requests_per_project": 25, "work_items": 40}
    caps = {"projects": 2}
    org = simulator.organization("random-faults", projects=4, caps=caps, **specification)
    db = Database(cluster)
    db.attach(org, page_size=7, request_timeout=1, max_retries=RETRIES, max_concurrency=3)
    yield org, db, {table: keys_held(org, table) for table in TABLES}
    db.drop()
    simulator.remove(org.name)


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_random_faults_give_all_rows_or_an_error(surroundings, seed):
    org, db, truth = surroundings
    chance = random.Random(seed)
    table = chance.choice(["builds", "builds", "pull_requests", "pull_requests", *TABLES])
    faults = [random_fault(chance) for _ in range(chance.randint(1, 4))]
    org.faults(*faults)
    passes = all(f["kind"] in PASSING + STALLING for f in faults)
    strikes = sum(len(fault["nth"]) for fault in faults)
    try:
        found = keys_read(db, table)
    except psycopg.Error as error:
        assert error.sqlstate in SQLSTATES, error
        assert not (passes and strikes <= RETRIES), f"{faults} should have passed: {error}"
    else:
        assert found == truth[table], faults
    org.faults()
    assert keys_read(db, table) == truth[table], "the session is not as before"
