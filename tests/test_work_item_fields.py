"""Fields of work items without a column: declared by their reference names, long texts included."""


def queries(db) -> list[dict]:
    return [dict(request["query"]) for request in db.org.requests() if request["endpoint"] == "revisions"]


def declare(db, columns: str) -> None:
    db.execute(
        f"CREATE FOREIGN TABLE items ({columns}) SERVER ado OPTIONS (\"table\" 'work_item_revisions')"
    )


def test_long_texts_are_asked_for_when_they_are_wanted(db):
    declare(db, "id int, rev int, title text, description text OPTIONS (field 'System.Description')")
    truth = {
        (element["id"], element["rev"]): element["fields"].get("System.Description")
        for element in db.org.dump("work_item_revisions", expand="fields")
    }
    assert any(truth.values())
    rows = db.rows("SELECT id, rev, description FROM items")
    assert {(id, rev): text for id, rev, text in rows} == truth
    assert {query.get("$expand") for query in queries(db)} == {"fields"}


def test_long_texts_do_not_travel_when_nobody_wants_them(db):
    declare(db, "id int, rev int, title text, description text OPTIONS (field 'System.Description')")
    db.rows("SELECT id, title FROM items")
    db.rows("SELECT id, title, fields FROM ado.work_item_revisions")
    assert {query.get("$expand") for query in queries(db)} == {None}
