"""What the README says of errors is what the extension says, word by word."""

import re

import psycopg
import pytest

from harness.build import REPOSITORY
from harness.processes import free_port
from test_readme import README

SECTION = README.split("## When something goes wrong")[1].split("\n## ")[0]
TEXTS = re.findall(r"^\| `([^`]+)` \|", SECTION, re.MULTILINE)


def remap(db, options: str) -> None:
    db.execute("DROP USER MAPPING FOR postgres SERVER ado")
    db.execute(f"CREATE USER MAPPING FOR postgres SERVER ado OPTIONS ({options})")


def fault(**fault):
    return lambda db: db.org.faults(fault)


def options(**options):
    return lambda db: db.server_options(**options)


def misspelt(db) -> None:
    db.execute("CREATE FOREIGN TABLE t (que_time text) SERVER ado OPTIONS (\"table\" 'builds')")
    db.execute("SELECT * FROM t")


PRINCIPAL = "tenant_id 'nobody', client_id 'c', client_secret 's'"
PROVOKED = {
    "no credential for user": lambda db: db.execute("DROP USER MAPPING FOR postgres SERVER ado"),
    "the personal access token is invalid or expired": lambda db: remap(db, "pat 'wrong'"),
    "invalid or expired, or lacks a scope": fault(kind="auth_401", endpoint="builds"),
    "access denied (HTTP status 403)": fault(kind="forbidden_403", endpoint="builds"),
    "the service refused the request (HTTP status 404)": fault(kind="not_found_404_html"),
    "the service refused the request (HTTP status 400)": options(api_version="9.9"),
    "could not connect": lambda db: db.server_options(
        base_url=f"http://127.0.0.1:{free_port()}/o", max_retries=0
    ),
    "no trusted connection": lambda db: db.server_options(
        base_url=db.org.url.replace("http:", "https:")
    ),
    "the service is limiting requests": lambda db: (
        db.server_options(max_retries=0),
        db.org.faults({"kind": "throttle_429"}),
    ),
    "gave up at attempt": lambda db: (
        db.server_options(max_retries=0),
        db.org.faults({"kind": "json_500"}),
    ),
    "the service principal could not sign in": lambda db: (
        db.server_options(login_url=db.org.simulator.url),
        remap(db, PRINCIPAL),
    ),
    "could not read the secret": lambda db: remap(db, "pat_secret 'nobody'"),
    "matches no field of": misspelt,
}
# Takes more changes per second than a test can make; its words are compared with the source.
NOT_PROVOKED = {"the list changed too often while it was being read"}


def test_every_error_of_the_readme_is_provoked_here():
    assert set(TEXTS) == set(PROVOKED) | NOT_PROVOKED
    source = (REPOSITORY / "src/error.rs").read_text()
    assert all(text in source for text in NOT_PROVOKED)


@pytest.mark.parametrize("text", PROVOKED)
def test_the_readme_quotes_the_error(db, text):
    with pytest.raises(psycopg.Error) as caught:
        PROVOKED[text](db)
        db.execute("SELECT count(*) FROM ado.builds")
    assert text in caught.value.diag.message_primary
    assert caught.value.diag.message_hint, "what to do is said too"
