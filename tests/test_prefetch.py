"""The next pages are on their way while rows are consumed, and never more than a few."""

import time


def builds_requested(db) -> int:
    return sum(request["endpoint"] == "builds" for request in db.org.requests())


def settled(db) -> int:
    """The number of requests once it no longer grows."""
    known, since = builds_requested(db), time.monotonic()
    while time.monotonic() - since < 1:
        time.sleep(0.05)
        if (now := builds_requested(db)) != known:
            known, since = now, time.monotonic()
    return known


def test_pages_are_fetched_ahead_of_the_rows_that_are_asked_for(new_org, new_db):
    db = new_db(new_org(projects=1, builds_per_project=400), page_size=10)
    with db.connection.transaction():
        db.execute("DECLARE c CURSOR FOR SELECT id FROM ado.builds WHERE status = 'completed'")
        assert builds_requested(db) == 0
        db.execute("FETCH 1 FROM c")
        ahead = settled(db)
        assert 2 <= ahead <= 5, "some pages wait, the rest of the list does not travel"
        db.execute("FETCH 200 FROM c")
        assert settled(db) > ahead
