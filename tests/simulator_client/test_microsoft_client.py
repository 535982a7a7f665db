"""Microsoft's own client reads the simulator and sees what the simulator says it holds.

Needs pytest and the package azure-devops. SIMULATOR_BINARY names the simulator; without it the
release build below tests/simulator (or CARGO_TARGET_DIR) is taken. It uses nothing of the other
tests: `pytest --confcutdir=tests/simulator_client tests/simulator_client`.
"""

import json
import os
import pathlib
import subprocess
import tempfile
import urllib.request

# The client keeps answers about locations in files; they must not outlive a simulator's port.
os.environ["AZURE_DEVOPS_CACHE_DIR"] = tempfile.mkdtemp(prefix="azure-devops-cache-")

import pytest
from azure.devops.connection import Connection
from azure.devops.exceptions import AzureDevOpsServiceError
from azure.devops.v7_1.git.models import GitPullRequestSearchCriteria
from msrest.authentication import BasicAuthentication

ORGANIZATION = "Demo"
TOKEN = "a-token-of-the-test"
PAGE = 37


def binary():
    named = os.environ.get("SIMULATOR_BINARY")
    if named:
        return named
    root = pathlib.Path(__file__).resolve().parents[2]
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", root / "tests/simulator/target"))
    return str(target / "release" / "azure-devops-simulator")


@pytest.fixture(scope="module")
def base_url():
    arguments = ["--organization", ORGANIZATION, "--pat", TOKEN, "--builds", "150"]
    simulator = subprocess.Popen(
        [binary(), "--exit-with-parent", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    line = simulator.stdout.readline()
    assert line.startswith("listening on "), line
    yield line.removeprefix("listening on ").strip()
    simulator.stdin.close()
    assert simulator.wait(timeout=10) == 0
    simulator.stdout.close()


@pytest.fixture(scope="module")
def clients(base_url):
    credentials = BasicAuthentication("", TOKEN)
    return Connection(base_url=f"{base_url}/{ORGANIZATION}", creds=credentials).clients_v7_1


@pytest.fixture(scope="module")
def projects(clients):
    return clients.get_core_client().get_projects()


def dump(base_url, table):
    with urllib.request.urlopen(f"{base_url}/__sim/organizations/{ORGANIZATION}/dump/{table}") as r:
        return json.load(r)["value"]


def with_response(client, call):
    """Calls a list and hands out what the client keeps to itself: the response."""
    seen = []
    send = client._send

    def remember(*arguments, **named):
        response = send(*arguments, **named)
        seen.append(response)
        return response

    client._send = remember
    try:
        return call(), seen[-1]
    finally:
        client._send = send


def with_token(client, call):
    result, response = with_response(client, call)
    return result, client._get_continuation_token(response)


def test_projects_are_those_that_are_well_formed(base_url, projects):
    expected = {p["id"]: p["name"] for p in dump(base_url, "projects") if p["state"] == "wellFormed"}
    assert {p.id: p.name for p in projects} == expected
    assert len(expected) == 4


def test_projects_page_by_offset(base_url, clients):
    core = clients.get_core_client()
    found, token = [], None
    while True:
        page, token = with_token(
            core,
            lambda: core.get_projects(state_filter="all", top=2, continuation_token=token),
        )
        found += [p.id for p in page]
        if token is None:
            break
    assert sorted(found) == sorted(p["id"] for p in dump(base_url, "projects"))


def test_repositories_are_complete(base_url, clients):
    git = clients.get_git_client()
    expected = {r["id"]: (r["name"], r["size"]) for r in dump(base_url, "repositories")}
    assert {r.id: (r.name, r.size) for r in git.get_repositories()} == expected


@pytest.mark.parametrize("order", ["queueTimeAscending", "queueTimeDescending"])
def test_builds_page_by_token(base_url, clients, projects, order):
    build = clients.get_build_client()
    found = []
    for project in projects:
        token, pages = None, 0
        while True:
            page, token = with_token(
                build,
                lambda: build.get_builds(
                    project.id, top=PAGE, query_order=order, continuation_token=token
                ),
            )
            found += page
            pages += 1
            if token is None:
                break
        assert pages > 3
    expected = {b["id"]: b for b in dump(base_url, "builds")}
    assert sorted(b.id for b in found) == sorted(expected)
    for b in found:
        truth = expected[b.id]
        assert (b.build_number, b.status, b.result) == (
            truth["buildNumber"],
            truth["status"],
            truth.get("result"),
        )
        assert b.definition.name == truth["definition"]["name"]
        assert b.requested_for.display_name == truth["requestedFor"]["displayName"]
        assert (b.finish_time is None) == ("finishTime" not in truth)


def test_pull_requests_page_by_skip(base_url, clients, projects):
    git = clients.get_git_client()
    criteria = GitPullRequestSearchCriteria(status="all")
    found = []
    for project in projects:
        skip = 0
        while page := git.get_pull_requests_by_project(project.name, criteria, skip=skip, top=PAGE):
            found += page
            skip += len(page)
    expected = {p["pullRequestId"]: p for p in dump(base_url, "pull_requests")}
    assert sorted(p.pull_request_id for p in found) == sorted(expected)
    for p in found:
        truth = expected[p.pull_request_id]
        assert (p.title, p.status) == (truth["title"], truth["status"])
        assert p.description == truth.get("description")
        assert [r.vote for r in p.reviewers] == [r["vote"] for r in truth["reviewers"]]


def test_a_single_pull_request_has_its_whole_description(base_url, clients):
    git = clients.get_git_client()
    listed = dump(base_url, "pull_requests")
    cut = next(p for p in listed if len(p.get("description", "")) == 400)
    whole = [git.get_pull_request_by_id(p["pullRequestId"]) for p in listed[:60]]
    assert max(len(p.description or "") for p in whole) == 4000
    assert git.get_pull_request_by_id(cut["pullRequestId"]).description.startswith(cut["description"])


def test_revisions_page_by_watermark(base_url, clients):
    work = clients.get_work_item_tracking_client()
    expected = [(r["id"], r["rev"]) for r in dump(base_url, "revisions")]
    found, token, last = [], None, False
    while not last:
        _, response = with_response(
            work,
            lambda: work.read_reporting_revisions_get(
                include_deleted=True, continuation_token=token, max_page_size=100
            ),
        )
        # The client's model of a batch has no members at all.
        batch = response.json()
        found += [(r["id"], r["rev"]) for r in batch["values"]]
        token, last = batch["continuationToken"], batch["isLastBatch"]
        assert len(found) <= len(expected)
    assert found == expected


def test_an_unknown_project_is_an_error_with_its_type(clients):
    with pytest.raises(AzureDevOpsServiceError) as caught:
        clients.get_build_client().get_builds("No such project")
    assert caught.value.type_key == "ProjectDoesNotExistWithNameException"


def test_a_wrong_token_is_refused(base_url):
    credentials = BasicAuthentication("", "wrong")
    connection = Connection(base_url=f"{base_url}/{ORGANIZATION}", creds=credentials)
    with pytest.raises(Exception, match="401|requires user authentication"):
        connection.clients_v7_1.get_core_client().get_projects()
