"""Refusals are recognised: what the service said, where, and what to do about it."""

import psycopg
import pytest

from test_faults import owner, text
from truth import assert_complete


def refusal(status: int, message: str, type_key: str | None = None) -> dict:
    body = {"$id": "1", "message": message, "typeKey": type_key, "errorCode": 0, "eventId": 3000}
    return {"kind": "status", "status": status, "body": body}


MISSING = "does not exist, or you do not have permission to access it."
KNOWN = [
    # status, typeKey, message, SQLSTATE, part of the hint
    (403, "VssServiceException", "VS403463: The conditional access policy …", "42501", "Entra ID"),
    (401, "VssServiceException", "VS403463: The conditional access policy …", "42501", "Entra ID"),
    (401, "UnauthorizedRequestException", "TF400813: The user 'x' is not …", "42501", "needs access"),
    (403, "UnauthorizedRequestException", "TF400813: The user 'x' is not …", "42501", "vso.build"),
    (401, "AccessCheckException", "Access Denied: … has expired.", "28000", "Set a valid one"),
    (400, "ProjectDoesNotExistException", f"VS800075: The project {MISSING}", "HV000", "hidden"),
    (404, "ProjectDoesNotExistWithNameException", "TF200016: The following …", "HV000", "hidden"),
    (404, "GitRepositoryNotFoundException", "TF401019: The Git repository …", "HV000", "disabled"),
    (400, "WorkItemTrackingQueryResultSizeLimitExceededException", "VS402337: …", "HV000", "Narrow"),
    (400, "VssInvalidPreviewVersionException", "under preview", "HV000", "api_version"),
    (400, "VssVersionOutOfRangeException", "out of range", "HV000", "api_version"),
    (400, "VssVersionNotSpecifiedException", "No api-version", "HV000", "api_version"),
    # A code in the message is enough.
    (404, None, "TF401019: The Git repository …", "HV000", "disabled"),
    (400, None, f"VS800075: The project {MISSING}", "HV000", "hidden"),
]
CONCERN_ALL = ("VS403463", "under preview", "out of range", "No api-version", "expired", "VS402337")


@pytest.fixture
def project(db) -> dict:
    return db.org.dump("projects")[1]


def fails(db) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught:
        db.execute("SELECT count(*) FROM ado.builds")
    return caught.value


@pytest.mark.parametrize("status, type_key, message, sqlstate, hint", KNOWN)
def test_a_refusal_is_told_with_all_that_is_known(
    db, project, status, type_key, message, sqlstate, hint
):
    db.org.faults({**refusal(status, message, type_key), "project": project["id"]})
    error = fails(db)
    assert error.sqlstate == sqlstate
    primary = error.diag.message_primary
    assert f'"builds" of project "{project["name"]}"' in primary
    assert f"HTTP status {status}" in primary
    assert message in error.diag.message_detail and (type_key or "") in error.diag.message_detail
    assert "ActivityId 5e0f0000-" in error.diag.message_detail
    assert hint in error.diag.message_hint
    refused = [r for r in db.org.requests("builds") if r["fault"]]
    assert len(refused) == 1, "asking again is no use"


@pytest.mark.parametrize("status, type_key, message, sqlstate, hint", KNOWN)
def test_only_what_concerns_the_project_is_skipped(
    db, project, status, type_key, message, sqlstate, hint
):
    db.server_options(skip_inaccessible="true")
    db.org.faults({**refusal(status, message, type_key), "project": project["id"]})
    db.take_notices()
    if any(part in message for part in CONCERN_ALL):
        assert fails(db).sqlstate == sqlstate
        return
    assert_complete(db, "builds", matches=lambda build: owner(build)["id"] != project["id"])
    (warning,) = db.take_notices()
    assert warning.startswith("skipped: ") and f'project "{project["name"]}"' in warning


@pytest.mark.parametrize("status", [400, 409, 410, 422])
def test_a_refusal_that_is_not_recognised_is_never_skipped(db, project, status):
    db.server_options(skip_inaccessible="true")
    db.org.faults({**refusal(status, "who knows", "NewException"), "project": project["id"]})
    error = fails(db)
    assert error.sqlstate == "HV000" and "NewException: who knows" in text(error)


@pytest.mark.parametrize("skip", [False, True])
def test_a_project_that_is_deleted_during_the_scan(new_org, new_db, skip):
    org = new_org(projects=6, builds_per_project=30)
    db = new_db(org, page_size=5, max_concurrency=1, skip_inaccessible=str(skip).lower())
    with db.connection.transaction(force_rollback=True):
        db.execute("DECLARE c CURSOR FOR SELECT id FROM ado.builds")
        found = db.rows("FETCH 1 FROM c")
        visited = {r["path"].split("/")[2] for r in org.requests("builds")}
        gone = next(
            p for p in org.dump("projects") if p["id"] not in visited and p["state"] == "wellFormed"
        )
        others = sorted(b["id"] for b in org.dump("builds") if owner(b)["id"] != gone["id"])
        org.mutate({"op": "delete_project", "project": gone["id"]})
        db.take_notices()
        if not skip:
            with pytest.raises(psycopg.Error, match="could not read") as caught:
                db.rows("FETCH ALL FROM c")
            assert f'project "{gone["name"]}"' in text(caught.value)
            return
        found += db.rows("FETCH ALL FROM c")
        assert sorted(id for (id,) in found) == others
        (warning,) = db.take_notices()
        assert f'project "{gone["name"]}"' in warning


def test_a_token_that_lacks_one_scope_says_which(db):
    db.org.faults({"kind": "auth_401", "endpoint": "pull_requests"})
    with pytest.raises(psycopg.Error) as caught:
        db.execute("SELECT count(*) FROM ado.pull_requests")
    assert caught.value.sqlstate == "28000"
    assert "or lacks a scope" in text(caught.value)
    assert "Code (Read) (vso.code)" in caught.value.diag.message_hint


def test_the_first_answer_of_all_does_not_speak_of_scopes(new_org, new_db):
    db = new_db(new_org(traps={"auth": "suppressed_401"}))
    db.execute("ALTER USER MAPPING FOR postgres SERVER ado OPTIONS (SET pat 'wrong')")
    error = fails(db)
    assert "invalid or expired (HTTP status 401)" in text(error)
