"""A user mapping holds one credential, and all of it."""

import psycopg
import pytest

TENANT = {"tenant_id": "contoso.onmicrosoft.com", "client_id": "5e0f0000-0000-4000-8000-00000000000a"}


def create(db, **options: str) -> None:
    db.execute("CREATE SERVER s FOREIGN DATA WRAPPER azure_devops_fdw OPTIONS (organization 'o')")
    pairs = ", ".join(f"{name} '{value}'" for name, value in options.items())
    db.execute(f"CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS ({pairs})")


@pytest.mark.parametrize(
    "options",
    [
        {"pat": "token"},
        {"pat_secret": "a secret's name".replace("'", "")},
        {**TENANT, "client_secret": "hunter2"},
        {**TENANT, "client_secret_secret": "name"},
    ],
)
def test_every_kind_of_credential_is_accepted(db, options):
    create(db, **options)


@pytest.mark.parametrize(
    "options, missing",
    [
        (TENANT, "client_secret"),
        ({"tenant_id": "t", "client_secret": "hunter2"}, "client_id"),
        ({"client_id": "c", "client_secret_secret": "name"}, "tenant_id"),
    ],
)
def test_half_a_credential_is_refused_with_what_is_missing(db, options, missing):
    with pytest.raises(psycopg.Error) as caught:
        create(db, **options)
    assert caught.value.sqlstate == "HV00J"
    assert caught.value.diag.message_primary == f'option "{missing}" is missing'
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"pat": "hunter2", "pat_secret": "name"},
        {"pat": "hunter2", **TENANT, "client_secret": "hunter3"},
        {**TENANT, "client_secret": "hunter2", "client_secret_secret": "name"},
    ],
)
def test_two_credentials_are_refused(db, options):
    with pytest.raises(psycopg.Error) as caught:
        create(db, **options)
    assert caught.value.sqlstate == "22023"
    assert "exclude each other" in caught.value.diag.message_primary
    assert "client_secret_secret" in caught.value.diag.message_hint
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"pat_secret": " "},
        {**TENANT, "tenant_id": "a/b", "client_secret": "x"},
        {**TENANT, "tenant_id": "..", "client_secret": "x"},
        {**TENANT, "client_id": "a b", "client_secret": "x"},
        {**TENANT, "client_secret": " "},
    ],
)
def test_values_that_cannot_be_used_are_refused(db, options):
    with pytest.raises(psycopg.Error) as caught:
        create(db, **options)
    assert caught.value.sqlstate == "22023"
