"""A fault that passes costs time and no row; one that stays is an error that says what it is."""

import psycopg
import pytest

from harness.processes import free_port
from truth import assert_complete, keys_held, keys_read

# Waits and stalls are as short as the options let them be.
OPTIONS = {"page_size": 7, "request_timeout": 1}
TABLES = {"builds": "builds", "pull_requests": "pull_requests", "revisions": "work_item_revisions"}

PASSING = [
    {"kind": "json_500"},
    {"kind": "html_502"},
    {"kind": "service_503"},
    {"kind": "status", "status": 504},
    {"kind": "status", "status": 408},
    {"kind": "throttle_429", "retry_after": 1},
    {"kind": "throttle_429_html"},
    {"kind": "reset_before_headers"},
    {"kind": "reset_mid_body"},
    {"kind": "truncated_json"},
    {"kind": "truncated_json", "after_bytes": 0},
    {"kind": "truncated_body"},
    {"kind": "truncated_body", "after_bytes": 0},
    {"kind": "stalled_headers"},
    {"kind": "stalled_body"},
]
HARMLESS = [
    {"kind": "slow_drip", "after_bytes": 4096, "delay_ms": 20},
    {"kind": "retry_after_200", "retry_after": 1},
]
SERVICE_ERROR, UNREACHABLE, THROTTLED = "08006", "HV00N", "53400"
NOT_SIGNED_IN, FORBIDDEN, REFUSED, SHAPE = "28000", "42501", "HV000", "HV004"
SIGN_IN = "the personal access token is invalid or expired"

LASTING = [
    ({"kind": "json_500"}, SERVICE_ERROR, ["HTTP status 500", "TF400898", "Exception"]),
    ({"kind": "html_502"}, SERVICE_ERROR, ["HTTP status 502", "502 - Web server received"]),
    ({"kind": "service_503"}, SERVICE_ERROR, ["HTTP status 503", "The service is unavailable."]),
    ({"kind": "status", "status": 501}, SERVICE_ERROR, ["HTTP status 501"]),
    ({"kind": "throttle_429"}, THROTTLED, ["limiting", "TF400733", "RequestBlockedException"]),
    ({"kind": "throttle_429_html"}, THROTTLED, ["limiting", "Too Many Requests"]),
    ({"kind": "auth_203"}, NOT_SIGNED_IN, [SIGN_IN, "203", "Azure DevOps Services | Sign In"]),
    ({"kind": "auth_302"}, NOT_SIGNED_IN, [SIGN_IN, "302", "Object moved"]),
    ({"kind": "auth_401"}, NOT_SIGNED_IN, [SIGN_IN, "401", "Access Denied"]),
    ({"kind": "wrong_content_type"}, NOT_SIGNED_IN, [SIGN_IN]),
    ({"kind": "forbidden_403"}, FORBIDDEN, ["403", "TF400813", "UnauthorizedRequestException"]),
    ({"kind": "not_found_404_html"}, REFUSED, ["404", "404 - Page not found"]),
    ({"kind": "reset_before_headers"}, UNREACHABLE, ["gave up at attempt"]),
    ({"kind": "reset_mid_body"}, UNREACHABLE, ["gave up at attempt"]),
    ({"kind": "truncated_body"}, UNREACHABLE, ["gave up at attempt"]),
    ({"kind": "truncated_json"}, UNREACHABLE, ["gave up at attempt"]),
    ({"kind": "stalled_headers"}, UNREACHABLE, ["timed out"]),
    ({"kind": "stalled_body"}, UNREACHABLE, ["timed out"]),
    ({"kind": "value_missing"}, SHAPE, []),
    ({"kind": "value_not_array"}, SHAPE, []),
    ({"kind": "element_not_object"}, SHAPE, []),
]
REFUSALS = [fault for fault, state, _ in LASTING if state in (NOT_SIGNED_IN, FORBIDDEN, REFUSED)]


def name(value):
    if isinstance(value, dict):
        return "-".join(str(value[k]) for k in ("kind", "status", "after_bytes") if k in value)
    return None


def fails(db, table):
    """The error of a full read."""
    with pytest.raises(psycopg.Error) as raised:
        keys_read(db, table)
    return raised.value


def text(error):
    diagnostics = error.diag
    parts = (diagnostics.message_primary, diagnostics.message_detail, diagnostics.message_hint)
    return "\n".join(part or "" for part in parts)


def positions(org, db, endpoint, table, fault):
    """First, a middle and the last request of a full read; of the slow faults only one."""
    org.simulator.clear()
    keys_read(db, table)
    count = len(org.requests(endpoint))
    assert count > 5
    return [count // 2] if fault["kind"].startswith("stalled") else [1, count // 2, count]


@pytest.mark.parametrize("fault", PASSING + HARMLESS, ids=name)
@pytest.mark.parametrize("endpoint", TABLES)
def test_a_fault_that_passes_loses_no_row(new_org, new_db, endpoint, fault):
    org = new_org(projects=2, builds_per_project=20, pull_requests_per_project=12)
    db, table = new_db(org, **OPTIONS), TABLES[endpoint]
    for position in positions(org, db, endpoint, table, fault):
        org.faults({**fault, "nth": [position], "endpoint": endpoint, "times": 1})
        assert_complete(db, table)


@pytest.mark.parametrize("fault", PASSING + HARMLESS, ids=name)
def test_a_passing_fault_in_the_list_of_projects_loses_no_row(new_org, new_db, fault):
    org = new_org(projects=7, builds_per_project=3, caps={"projects": 2})
    db = new_db(org, **OPTIONS)
    for position in (1, 2, 3):
        org.faults({**fault, "nth": [position], "endpoint": "projects", "times": 1})
        assert_complete(db, "builds")


@pytest.mark.parametrize("fault", PASSING[:1] + PASSING[5:10], ids=name)
def test_passing_faults_in_one_of_several_projects_lose_no_row(new_org, new_db, fault):
    org = new_org(projects=5, builds_per_project=15, pull_requests_per_project=15)
    db = new_db(org, **OPTIONS)
    project = org.dump("projects")[2]["id"]
    for table in ("builds", "pull_requests"):
        org.faults({"nth": [1, 3], **fault, "project": project, "endpoint": table})
        assert_complete(db, table)


@pytest.mark.parametrize("fault, sqlstate, parts", LASTING, ids=name)
@pytest.mark.parametrize("endpoint", TABLES)
def test_a_fault_that_stays_is_an_error_that_says_what_it_is(
    new_org, new_db, endpoint, fault, sqlstate, parts
):
    org = new_org(projects=2, builds_per_project=20, pull_requests_per_project=12)
    db, table = new_db(org, **OPTIONS, max_retries=1), TABLES[endpoint]
    for position in positions(org, db, endpoint, table, fault):
        org.faults({**fault, "endpoint": endpoint, "nth": list(range(position, position + 200))})
        error = fails(db, table)
        assert error.sqlstate == sqlstate, text(error)
        for part in [*parts, f'"{table}"']:
            assert part in text(error), text(error)
        org.faults()
        assert_complete(db, table)


@pytest.mark.parametrize("fault, sqlstate, parts", LASTING, ids=name)
@pytest.mark.parametrize("position", [1, 3])
def test_a_fault_that_stays_in_the_list_of_projects_is_an_error(
    new_org, new_db, fault, sqlstate, parts, position
):
    org = new_org(projects=7, builds_per_project=3, caps={"projects": 2})
    db = new_db(org, **OPTIONS, max_retries=1)
    org.faults({**fault, "endpoint": "projects", "nth": list(range(position, position + 200))})
    error = fails(db, "builds")
    assert error.sqlstate == sqlstate, text(error)
    for part in [*parts, '"projects"']:
        assert part in text(error), text(error)
    org.faults()
    assert_complete(db, "builds")


@pytest.mark.parametrize("fault, sqlstate, parts", LASTING, ids=name)
def test_a_fault_that_stays_in_one_project_is_an_error_that_names_it(
    new_org, new_db, fault, sqlstate, parts
):
    org = new_org(projects=5, builds_per_project=15)
    db = new_db(org, **OPTIONS, max_retries=1)
    project = org.dump("projects")[3]
    org.faults({**fault, "endpoint": "builds", "project": project["id"]})
    error = fails(db, "builds")
    assert error.sqlstate == sqlstate, text(error)
    for part in [*parts, f'project "{project["name"]}"']:
        assert part in text(error), text(error)
    org.faults()
    assert_complete(db, "builds")


@pytest.mark.parametrize(
    "endpoint, table", [("projects", "builds"), ("revisions", "work_item_revisions")]
)
def test_a_token_that_repeats_is_an_error(new_org, new_db, endpoint, table):
    org = new_org(projects=7, caps={"projects": 2})
    db = new_db(org, **OPTIONS)
    org.faults({"kind": "token_repeats", "endpoint": endpoint})
    assert fails(db, table).sqlstate == "54000"
    assert len(org.requests(endpoint)) < 10
    org.faults()
    assert_complete(db, table)


def test_tokens_of_builds_that_repeat_lose_no_row_or_are_an_error(new_org, new_db):
    org = new_org()
    same = {"queueTime": "2026-05-01T00:00:00Z", "status": "inProgress"}
    project = org.dump("projects")[0]["name"]
    org.mutate(*[{"op": "put_build", "project": project, "build": same}] * 20)
    db = new_db(org, **OPTIONS)
    org.faults({"kind": "token_repeats", "endpoint": "builds"})
    try:
        found = keys_read(db, "builds")
    except psycopg.Error as error:
        assert error.sqlstate == "54000"
    else:
        assert found == keys_held(org, "builds")


def test_retries_end_after_as_many_as_the_option_says(db):
    for retries in (0, 1, 2):
        db.server_options(max_retries=retries)
        db.org.faults({"kind": "json_500", "endpoint": "revisions"})
        db.org.simulator.clear()
        assert fails(db, "work_item_revisions").sqlstate == SERVICE_ERROR
        assert len(db.org.requests("revisions")) == retries + 1


@pytest.mark.parametrize("fault", REFUSALS, ids=name)
def test_refusals_are_not_asked_again(db, fault):
    db.org.faults({**fault, "endpoint": "revisions"})
    fails(db, "work_item_revisions")
    assert len(db.org.requests("revisions")) == 1


# --- Who may read


@pytest.mark.parametrize(
    "auth, sqlstate, parts",
    [
        ("real", NOT_SIGNED_IN, [SIGN_IN]),
        ("suppressed_401", NOT_SIGNED_IN, [SIGN_IN, "401"]),
        ("redirect_302", NOT_SIGNED_IN, [SIGN_IN, "302"]),
        ("html_203", NOT_SIGNED_IN, [SIGN_IN, "203"]),
        ("json_401", NOT_SIGNED_IN, [SIGN_IN, "has expired", "AccessCheckException"]),
        ("forbidden_403", FORBIDDEN, ["TF400813"]),
        ("conditional_access", FORBIDDEN, ["VS403463", "conditional access policy"]),
    ],
)
def test_a_wrong_token_is_an_error_in_every_shape(new_org, new_db, auth, sqlstate, parts):
    org = new_org(traps={"auth": auth})
    db = new_db(org)
    db.execute("ALTER USER MAPPING FOR postgres SERVER ado OPTIONS (SET pat 'hunter2-is-wrong')")
    for table in ("projects", "repositories", "builds", "pull_requests", "work_item_revisions"):
        error = fails(db, table)
        assert error.sqlstate == sqlstate
        for part in parts:
            assert part in text(error), text(error)
        assert "hunter2" not in text(error)
    db.execute(f"ALTER USER MAPPING FOR postgres SERVER ado OPTIONS (SET pat '{org.pat}')")
    assert_complete(db, "builds")


def test_an_organization_that_does_not_exist_is_a_readable_error(db):
    db.server_options(base_url=f"{db.org.simulator.url}/nobody-has-this")
    error = fails(db, "builds")
    assert error.sqlstate == REFUSED
    assert "HTTP status 404" in text(error) and "404 Not Found" in text(error)


def test_a_port_where_nobody_listens_is_a_readable_error(db):
    db.server_options(base_url=f"http://127.0.0.1:{free_port()}/demo", max_retries=1)
    error = fails(db, "builds")
    assert error.sqlstate == UNREACHABLE
    assert "gave up at attempt 2: could not connect" in text(error)
    db.server_options(base_url=db.org.url)
    assert_complete(db, "builds")


def test_a_host_that_does_not_exist_is_a_readable_error(db):
    db.server_options(base_url="http://no-such-host.invalid/demo", max_retries=0)
    error = fails(db, "builds")
    assert error.sqlstate == UNREACHABLE
    assert "could not connect" in text(error)


# --- Waiting because the service asks for it


@pytest.mark.parametrize("kind", ["retry_after_200", "throttle_429", "service_503"])
def test_no_request_starts_before_the_service_allows(new_org, new_db, kind):
    org = new_org(projects=1)
    db = new_db(org, page_size=7)
    org.faults({"kind": kind, "endpoint": "builds", "nth": [2, 4], "retry_after": 2})
    assert_complete(db, "builds")
    requests = org.requests()
    asked = [r for r in requests if r["fault"] == kind]
    assert len(asked) == 2
    for request in asked:
        later = [r["started_ms"] for r in requests if r["n"] > request["n"]]
        # The client counts from when it has the answer, the log to when it was written.
        assert min(later) >= request["finished_ms"] + 2000 - 50


def test_one_answer_holds_back_every_project(new_org, new_db):
    org = new_org(projects=9, builds_per_project=30, latency_ms=10)
    db = new_db(org, page_size=7, max_concurrency=4)
    org.faults({"kind": "throttle_429", "endpoint": "builds", "nth": [6], "retry_after": 2})
    assert_complete(db, "builds")
    (throttled,) = [r for r in org.requests() if r["fault"]]
    told = throttled["finished_ms"]
    # Those that were under way may end; what is sent just then is not held back any more.
    starts = [r["started_ms"] for r in org.requests() if r["started_ms"] > told + 50]
    assert min(starts) >= told + 2000 - 50


def test_a_wait_concerns_later_scans_too(new_org, new_db):
    org = new_org(projects=1)
    db = new_db(org)
    org.faults({"kind": "retry_after_200", "endpoint": "revisions", "times": 1, "retry_after": 2})
    assert_complete(db, "work_item_revisions")
    assert_complete(db, "repositories")
    first, *later = org.requests()
    assert first["fault"] == "retry_after_200"
    assert min(r["started_ms"] for r in later) >= first["finished_ms"] + 2000 - 50


def test_slow_answers_with_a_wait_each_are_read_completely(new_org, new_db):
    org = new_org(projects=1, builds_per_project=10, traps={"delayed_200": 1})
    db = new_db(org)
    assert_complete(db, "builds")


# --- Projects that cannot be read


def owner(element):
    """The project of a build or pull request."""
    return element.get("repository", {}).get("project") or element["project"]


@pytest.mark.parametrize("table", ["builds", "pull_requests"])
def test_a_hidden_project_is_an_error_that_names_it(new_org, new_db, table):
    org = new_org(projects=5)
    hidden = org.dump("projects")[1]["name"]
    org.patch(traps={"projects_hidden": [hidden]})
    error = fails(new_db(org), table)
    assert error.sqlstate == REFUSED
    assert f'project "{hidden}"' in text(error) and "ProjectDoesNotExistException" in text(error)
    assert "VS800075" in text(error)


@pytest.mark.parametrize("table", ["builds", "pull_requests"])
@pytest.mark.parametrize("how", ["hidden", "forbidden"])
def test_a_project_that_cannot_be_read_is_skipped_with_a_warning(new_org, new_db, table, how):
    org = new_org(projects=5)
    project = org.dump("projects")[1]
    if how == "hidden":
        org.patch(traps={"projects_hidden": [project["name"]]})
    else:
        org.faults({"kind": "forbidden_403", "project": project["id"]})
    db = new_db(org, skip_inaccessible="true", page_size=7)
    severities = []
    db.connection.add_notice_handler(lambda notice: severities.append(notice.severity_nonlocalized))
    db.take_notices()
    assert_complete(db, table, matches=lambda e: owner(e)["id"] != project["id"])
    (warning,) = db.take_notices()
    assert severities == ["WARNING"]
    assert f'project "{project["name"]}"' in warning


@pytest.mark.parametrize(
    "kind, sqlstate", [("json_500", SERVICE_ERROR), ("auth_401", NOT_SIGNED_IN)]
)
def test_other_errors_of_a_project_are_never_skipped(new_org, new_db, kind, sqlstate):
    org = new_org(projects=5)
    db = new_db(org, skip_inaccessible="true", max_retries=0)
    org.faults({"kind": kind, "endpoint": "builds", "project": org.dump("projects")[1]["id"]})
    assert fails(db, "builds").sqlstate == sqlstate


def test_the_list_of_projects_is_never_skipped(new_org, new_db):
    org = new_org()
    db = new_db(org, skip_inaccessible="true")
    org.faults({"kind": "forbidden_403", "endpoint": "projects"})
    assert fails(db, "builds").sqlstate == FORBIDDEN
