"""What `make upgrade-script` finds between a released version's SQL and the generated one."""

import runpy
from types import SimpleNamespace

import pytest

from harness.build import REPOSITORY

RELEASED = (REPOSITORY / "tests/released/azure_devops_fdw--0.1.0.sql").read_text()
FUNCTION = """/* <begin connected objects> */
-- src/fdw/new.rs:7
-- azure_devops_fdw::fdw::new::later
CREATE  FUNCTION "later"() RETURNS bool /* bool */
STRICT
LANGUAGE c /* Rust */
AS 'MODULE_PATHNAME', 'later_wrapper';
/* </end connected objects> */
"""
FILE = """/* <begin connected objects> */
-- src/lib.rs:30
-- requires:
--   incremental

-- What a file of sql/ holds.
CREATE TABLE azure_devops.later (id integer);
/* </end connected objects> */
"""


@pytest.fixture(scope="module")
def tool():
    # Not imported: it has no ending, and Python would leave a compiled copy beside it.
    return SimpleNamespace(**runpy.run_path(str(REPOSITORY / "packaging/upgrade-script")))


def compare(tool, generated: str) -> tuple[list[str], list[str]]:
    return tool.compare(tool.parts(RELEASED), tool.parts(generated))


def test_another_place_and_order_is_no_change(tool):
    moved = RELEASED.replace("src/fdw/functions.rs:8", "src/fdw/other.rs:80")
    assert moved != RELEASED
    first, *others = moved.split("/* <begin connected objects> */\n")[1:]
    generated = "".join(f"/* <begin connected objects> */\n{o}" for o in [first, *others[::-1]])
    assert compare(tool, generated) == ([], [])


def test_new_parts_are_added_functions_in_c_first(tool):
    added, changed = compare(tool, FILE + FUNCTION + RELEASED)
    assert changed == []
    assert added == [
        'CREATE FUNCTION "later"() RETURNS bool\nSTRICT\nLANGUAGE c\n'
        "AS 'MODULE_PATHNAME', 'later_wrapper';",
        "-- What a file of sql/ holds.\nCREATE TABLE azure_devops.later (id integer);",
    ]


def test_what_was_changed_or_removed_is_left_to_a_person(tool):
    assert "IMMUTABLE STRICT PARALLEL SAFE" in RELEASED
    _, changed = compare(tool, RELEASED.replace("IMMUTABLE STRICT", "STABLE STRICT"))
    assert [part.split("(")[0] for part in changed] == [
        'CREATE FUNCTION "columns"',
        'CREATE FUNCTION "tables"',
    ]
    _, removed = compare(tool, RELEASED.split("-- src/lib.rs")[0])
    assert any("CREATE FOREIGN DATA WRAPPER" in part for part in removed)
