"""A full read gives every row once, whatever the service does with its pages."""

import pytest

from harness.database import TABLES
from truth import PAGE_SIZES, assert_complete, keys_held, keys_read

UNFINISHED = ("inProgress", "notStarted", "cancelling", "postponed")
INSTANT = "2026-05-01T10:20:30.1234567Z"


def assert_complete_at_every_page_size(db, *tables, where="true", matches=lambda e: True):
    for page_size in PAGE_SIZES:
        db.server_options(page_size=page_size)
        for table in tables:
            assert_complete(db, table, where, matches)


def builds(project, count, **members):
    """Operations that make more builds."""
    operation = {"op": "put_build", "project": project, "build": members}
    return [operation for _ in range(count)]


def project_names(org):
    return [project["name"] for project in org.dump("projects")]


@pytest.mark.parametrize("table", TABLES)
def test_a_well_behaved_service_is_read_completely(db, table):
    assert_complete_at_every_page_size(db, table)


@pytest.mark.parametrize(
    "traps",
    [
        {"short_pages": True},
        {"empty_pages": True},
        {"count_last": True},
        {"exclusive_bounds": True},
        {"unknown_enum_values": True},
        {"rate_limit_headers": True},
        {"short_pages": True, "count_last": True, "empty_pages": True},
    ],
    ids=lambda traps: "+".join(traps),
)
def test_traps_of_every_list_lose_no_row(new_org, new_db, traps):
    db = new_db(new_org(traps=traps))
    assert_complete_at_every_page_size(db, *TABLES)


def test_lists_that_give_less_than_asked_are_read_to_the_end(new_org, new_db):
    caps = {"projects": 2, "builds": 3, "pull_requests": 4, "revisions": 5}
    db = new_db(new_org(projects=7, caps=caps))
    assert_complete_at_every_page_size(db, *TABLES)


@pytest.mark.parametrize("gzip", [True, False])
def test_compressed_and_plain_answers_are_read_alike(new_org, new_db, gzip):
    db = new_db(new_org(gzip=gzip))
    assert_complete_at_every_page_size(db, *TABLES)


def test_a_slow_service_is_read_completely(new_org, new_db):
    db = new_db(new_org(latency_ms=20), page_size=7)
    for table in TABLES:
        assert_complete(db, table)


@pytest.mark.parametrize("short_pages", [False, True])
def test_projects_on_several_pages_are_all_visited(new_org, new_db, short_pages):
    org = new_org(
        projects=45,
        builds_per_project=3,
        pull_requests_per_project=3,
        caps={"projects": 4},
        traps={"short_pages": short_pages},
    )
    db = new_db(org)
    for table in ("projects", "builds", "pull_requests"):
        assert_complete(db, table)


def test_an_empty_organization_has_no_rows(new_org, new_db):
    nothing = {"builds_per_project": 0, "pull_requests_per_project": 0, "work_items": 0}
    db = new_db(new_org(projects=1, **nothing))
    assert_complete_at_every_page_size(db, *TABLES)
    db = new_db(new_org(projects=0, **nothing))
    assert_complete_at_every_page_size(db, *TABLES)


# --- Builds


@pytest.mark.parametrize("ties", ["exact", "duplicate", "skip"])
@pytest.mark.parametrize("column", ["queue_time", "start_time", "finish_time"])
def test_builds_of_the_same_instant_are_all_read(new_org, new_db, ties, column):
    org = new_org(traps={"builds_ties": ties})
    times = {"queueTime": INSTANT, "startTime": INSTANT, "finishTime": INSTANT}
    done = {"status": "completed", "result": "succeeded", **times}
    running = {"status": "inProgress", "queueTime": INSTANT, "startTime": INSTANT}
    first, second, *_ = project_names(org)
    org.mutate(*builds(first, 30, **done), *builds(first, 12, **running))
    org.mutate(*builds(second, 8, **done))
    member = {"queue_time": "queueTime", "start_time": "startTime", "finish_time": "finishTime"}
    db = new_db(org)
    assert_complete_at_every_page_size(
        db, "builds", where=f"{column} > '2000-01-01'", matches=lambda e: member[column] in e
    )


@pytest.mark.parametrize("ties", ["exact", "duplicate", "skip"])
def test_pairs_of_builds_at_every_border_are_all_read(new_org, new_db, ties):
    org = new_org(builds_per_project=0, traps={"builds_ties": ties})
    name = project_names(org)[0]
    done = {"status": "completed", "result": "failed"}
    for minute in range(25):
        time = f"2026-05-01T10:{minute:02}:00.5Z"
        org.mutate(*builds(name, 2, queueTime=time, startTime=time, finishTime=time, **done))
    db = new_db(org)
    assert_complete_at_every_page_size(db, "builds")


@pytest.mark.parametrize(
    "traps",
    [
        {"builds_token_ignored": True},
        {"builds_grouped_by_status": True},
        {"builds_grouped_by_status": True, "builds_ties": "skip", "short_pages": True},
        {"builds_grouped_by_status": True, "builds_ties": "duplicate", "exclusive_bounds": True},
    ],
    ids=lambda traps: "+".join(traps),
)
def test_traps_of_builds_lose_no_row(new_org, new_db, traps):
    org = new_org(traps=traps)
    first, second, *_ = project_names(org)
    for status in UNFINISHED:
        org.mutate(*builds(first, 11, status=status), *builds(second, 2, status=status))
    db = new_db(org)
    assert_complete_at_every_page_size(db, "builds")


def test_builds_that_never_started_are_read(new_org, new_db):
    org = new_org(builds_per_project=0)
    name = project_names(org)[0]
    failed = {"status": "completed", "result": "failed", "startTime": None}
    org.mutate(*builds(name, 9, finishTime="2026-05-01T10:00:00Z", **failed))
    db = new_db(org)
    assert_complete_at_every_page_size(db, "builds")


def test_builds_asked_for_by_many_ids_are_all_read(new_org, new_db):
    db = new_db(new_org(projects=2, builds_per_project=260))
    ids = [id for (id,) in keys_held(db.org, "builds")]
    for page_size in PAGE_SIZES:
        db.server_options(page_size=page_size)
        found = keys_read(db, "builds", "id = ANY(%s)", [[*ids, 1, 2**31 - 1]])
        assert [id for (id,) in found] == ids


# --- Pull requests


def test_a_page_cut_down_to_what_is_known_already_is_not_the_end(new_org, new_db):
    org = new_org(projects=1, pull_requests_per_project=30)
    newest_first = org.dump("pull_requests")
    db = new_db(org)

    def cut(nth, elements):
        body = {"count": len(elements), "value": elements}
        return {"kind": "status", "endpoint": "pull_requests", "nth": [nth], "body": body}

    # Pages may be shorter than asked for; the second one happens to bring nothing new.
    org.faults(cut(1, newest_first[:10]), cut(2, newest_first[9:10]))
    assert_complete(db, "pull_requests")


# --- Work item revisions


@pytest.mark.parametrize(
    "traps",
    [
        {"revisions_token_in_body": False},
        {"revisions_duplicates": True},
        {"identity_refs": True},
        {"revisions_duplicates": True, "empty_pages": True, "revisions_token_in_body": False},
        {"revisions_duplicates": True, "short_pages": True, "identity_refs": True},
    ],
    ids=lambda traps: "+".join(traps),
)
def test_traps_of_revisions_lose_no_row(new_org, new_db, traps):
    db = new_db(new_org(traps=traps))
    assert_complete_at_every_page_size(db, "work_item_revisions")


def test_identities_read_alike_as_text_and_as_objects(new_org, new_db):
    query = "SELECT id, rev, changed_by, assigned_to FROM ado.work_item_revisions ORDER BY 1, 2"
    as_text = new_db(new_org()).rows(query)
    as_objects = new_db(new_org(traps={"identity_refs": True})).rows(query)
    assert as_text == as_objects


def test_a_token_that_does_not_advance_is_an_error_and_no_endless_loop(new_org, new_db):
    org = new_org(traps={"revisions_token_stuck": True})
    db = new_db(org, page_size=7)
    with pytest.raises(Exception) as raised:
        keys_read(db, "work_item_revisions")
    assert raised.value.sqlstate == "54000"
    assert len(org.requests("revisions")) < 10
    org.patch(traps={"revisions_token_stuck": None})
    assert_complete(db, "work_item_revisions")


def test_deleted_and_moved_work_items_are_in_the_feed(db):
    name = project_names(db.org)
    db.org.mutate(
        {"op": "put_revision", "id": 1, "fields": {"System.IsDeleted": True}},
        {"op": "put_revision", "id": 2, "project": name[0], "fields": {}},
        {"op": "put_revision", "id": 2, "project": name[1], "fields": {}},
    )
    assert_complete_at_every_page_size(db, "work_item_revisions")
    assert db.value("SELECT bool_or(is_deleted) FROM ado.work_item_revisions WHERE id = 1")
