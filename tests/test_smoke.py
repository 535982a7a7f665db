"""The extension can be created, imports its tables, and reads them completely."""

import pytest

from harness.database import TABLES


def test_extension_brings_its_wrapper_and_a_schema(db):
    assert db.value("SELECT extversion FROM pg_extension WHERE extname = 'azure_devops_fdw'")
    wrappers = db.column("SELECT fdwname FROM pg_foreign_data_wrapper")
    assert wrappers == ["azure_devops_fdw"]


def test_import_makes_the_tables_without_a_request(db):
    query = "SELECT foreign_table_name FROM information_schema.foreign_tables"
    assert sorted(db.column(query)) == sorted(TABLES)
    assert db.org.requests() == []


@pytest.mark.parametrize("table", TABLES)
def test_count_is_what_the_organization_holds(db, table):
    assert db.value(f"SELECT count(*) FROM ado.{table}") == len(db.org.dump(table)) > 0


def test_each_test_has_its_own_organization_and_database(db, new_org, new_db):
    other = new_db(new_org(projects=1))
    assert other.value("SELECT count(*) FROM ado.projects") == 1
    assert db.value("SELECT count(*) FROM ado.projects") == 3
