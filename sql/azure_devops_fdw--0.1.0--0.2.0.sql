-- From 0.1.0 to 0.2.0. Written by `make upgrade-script`.

CREATE FUNCTION "check"(
	"server" TEXT
) RETURNS TABLE (
	"table_name" TEXT,
	"reachable" bool,
	"status" TEXT,
	"message" TEXT,
	"scope" TEXT,
	"hint" TEXT
)
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'check_wrapper';

CREATE FUNCTION "declared_columns"(
	"source" oid
) RETURNS TABLE (
	"table_name" TEXT,
	"column_name" TEXT,
	"declared_name" TEXT,
	"is_key" bool,
	"has_own_type" bool
)
STRICT STABLE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'declared_columns_wrapper';

CREATE FUNCTION "feed_is_complete"(
	"source" oid
) RETURNS bool
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'feed_is_complete_wrapper';

CREATE FUNCTION "feed_token"(
	"source" oid
) RETURNS TEXT
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'feed_token_wrapper';

CREATE FUNCTION "start_feed"(
	"source" oid,
	"token" TEXT,
	"pages" INT
) RETURNS void
VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'start_feed_wrapper';

CREATE FUNCTION "start_lists"(
	"source" oid,
	"column_name" TEXT,
	"projects" uuid[],
	"times" timestamp with time zone[]
) RETURNS void
VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'start_lists_wrapper';

CREATE FUNCTION "visible_projects"(
	"source" oid
) RETURNS SETOF uuid
STRICT VOLATILE PARALLEL UNSAFE
LANGUAGE c
AS 'MODULE_PATHNAME', 'visible_projects_wrapper';

-- Incremental refresh: a materialized view whose definition reads its own previous contents and
-- merges what changed since. ARCHITECTURE.md tells the recipes.

-- Where each target stands. A feed's token is written in the transaction that writes the data.
CREATE TABLE azure_devops.bookmarks (
  target     text PRIMARY KEY,
  source     text NOT NULL,
  watermark  text,
  "rows"     bigint,
  last_run   timestamptz NOT NULL,
  last_error text
);

COMMENT ON TABLE azure_devops.bookmarks IS
  'Where incremental refresh stands, per materialized view or table.';
COMMENT ON COLUMN azure_devops.bookmarks.target IS 'Materialized view or table, qualified and quoted.';
COMMENT ON COLUMN azure_devops.bookmarks.source IS 'Foreign table, qualified and quoted.';
COMMENT ON COLUMN azure_devops.bookmarks.watermark IS
  'How far the source has been read: the token of a feed, the latest time of a list.';
COMMENT ON COLUMN azure_devops.bookmarks."rows" IS 'Rows that the last run read from the service.';
COMMENT ON COLUMN azure_devops.bookmarks.last_run IS 'When the last run ended.';
COMMENT ON COLUMN azure_devops.bookmarks.last_error IS 'Why the last run failed; NULL if it did not.';

SELECT pg_catalog.pg_extension_config_dump('azure_devops.bookmarks', '');
GRANT SELECT ON azure_devops.bookmarks TO PUBLIC;

-- The qualified and quoted name of a relation.
CREATE FUNCTION azure_devops.name_of(relation regclass) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT format('%I.%I', n.nspname, c.relname)
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.oid = relation
$$;

-- Writes a bookmark for a materialized view that this session is refreshing or creating. Everybody
-- may call it, since refresh runs as the view's owner; the lock shows that the caller is entitled.
CREATE FUNCTION azure_devops.save_bookmark(target regclass, source regclass, watermark text, read bigint)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM pg_locks AS l
    WHERE l.pid = pg_backend_pid() AND l.granted AND l.locktype = 'relation'
      AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
      AND l.relation = save_bookmark.target
      AND (l.mode IN ('ExclusiveLock', 'AccessExclusiveLock')
           -- What sync() holds of an ordinary table.
           OR l.mode = 'ShareUpdateExclusiveLock')
  ) THEN
    RETURN false;
  END IF;
  INSERT INTO azure_devops.bookmarks AS b (target, source, watermark, "rows", last_run)
  VALUES (azure_devops.name_of(save_bookmark.target), azure_devops.name_of(save_bookmark.source),
          save_bookmark.watermark, read, clock_timestamp())
  ON CONFLICT ON CONSTRAINT bookmarks_pkey DO UPDATE
    SET source = EXCLUDED.source, watermark = EXCLUDED.watermark, "rows" = EXCLUDED."rows",
        last_run = EXCLUDED.last_run, last_error = NULL;
  RETURN true;
END
$$;

-- The declared name of a column of the catalogue; NULL if there is none of the catalogue's type.
CREATE FUNCTION azure_devops.declared_name(source regclass, catalogue_name text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN (SELECT quote_ident(d.declared_name)
          FROM azure_devops.declared_columns(source) AS d
          WHERE d.column_name = catalogue_name AND d.has_own_type
          LIMIT 1);
END
$$;

-- The kind of table that a foreign table shows; an error unless its key is declared.
CREATE FUNCTION azure_devops.kind_with_key(source regclass) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  kind text;
  missing text;
BEGIN
  SELECT d.table_name INTO kind FROM azure_devops.declared_columns(source) AS d LIMIT 1;
  SELECT string_agg(c.column_name, ', ' ORDER BY c.column_name) INTO missing
  FROM azure_devops.columns() AS c
  WHERE c.table_name = kind AND c.is_key
    AND NOT EXISTS (SELECT FROM azure_devops.declared_columns(source) AS d
                    WHERE d.column_name = c.column_name);
  IF kind IS NULL OR missing IS NOT NULL THEN
    RAISE EXCEPTION 'foreign table % lacks key column %', azure_devops.name_of(source), missing
      USING ERRCODE = 'undefined_column',
            HINT = 'Declare it: rows are told apart by the key.';
  END IF;
  RETURN kind;
END
$$;

-- Builds and pull requests: SQL of the rows that may have changed since the target was read, as
-- "fresh(s)", and of the condition under which a stored row "m" stays.
--
-- $1 projects that the target knows and that are still there, $2 projects that are new to it,
-- $3 keys stored as unfinished, $4 where the finished ones begin.
CREATE FUNCTION azure_devops.changes_sql(source regclass, kind text, OUT fresh text, OUT kept text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  id text := azure_devops.declared_name(source, CASE kind WHEN 'builds' THEN 'id' ELSE 'pull_request_id' END);
  status text := azure_devops.declared_name(source, 'status');
  ended text := azure_devops.declared_name(source, CASE kind WHEN 'builds' THEN 'finish_time' ELSE 'closed_date' END);
  project text := azure_devops.declared_name(source, 'project_id');
  name text := azure_devops.name_of(source);
  open text := CASE kind WHEN 'builds' THEN status || ' <> ''completed''' ELSE status || ' = ''active''' END;
BEGIN
  IF id IS NULL OR status IS NULL OR ended IS NULL OR project IS NULL THEN
    RETURN;
  END IF;
  -- The open ones are read first: one that ends meanwhile is then seen twice, never missed. That is
  -- what the count is for: its value decides nothing, but it has to be known.
  fresh := format(
    'open_rows AS MATERIALIZED (
       SELECT s FROM %1$s AS s WHERE s.%2$s AND s.%3$s = ANY ($1)),
     ended_rows AS MATERIALIZED (
       SELECT s FROM %1$s AS s
       WHERE (SELECT pg_catalog.count(*) FROM open_rows) >= 0 AND s.%4$s >= $4 AND s.%3$s = ANY ($1)),
     late_rows AS MATERIALIZED (
       SELECT s FROM %1$s AS s
       WHERE s.%5$s = ANY (ARRAY(
               SELECT k.id FROM pg_catalog.unnest($3) AS k(id)
               EXCEPT SELECT (o.s).%5$s FROM open_rows AS o
               EXCEPT SELECT (e.s).%5$s FROM ended_rows AS e))
         AND s.%3$s = ANY ($1)),
     new_rows AS MATERIALIZED (SELECT s FROM %1$s AS s WHERE s.%3$s = ANY ($2)),
     fresh AS MATERIALIZED (
       SELECT DISTINCT ON ((a.s).%5$s) a.s
       FROM (SELECT 3 AS age, s FROM open_rows UNION ALL SELECT 2, s FROM ended_rows
             UNION ALL SELECT 1, s FROM late_rows UNION ALL SELECT 0, s FROM new_rows) AS a
       ORDER BY (a.s).%5$s, a.age)',
    name, open, project, ended, id);
  kept := format(
    'm.%1$s = ANY ($1) AND m.%2$s <> ALL ($3)
     AND NOT EXISTS (SELECT FROM fresh AS f WHERE (f.s).%2$s = m.%2$s)',
    project, id);
END
$$;

-- What a target holds: its projects, where the list of the ended rows of each begins, and the keys of
-- the rows that have not ended. One pass.
CREATE FUNCTION azure_devops.stored_state(
  source regclass, target_name text, kind text,
  OUT projects uuid[], OUT latest timestamptz[], OUT unfinished integer[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- Every project has its own beginning: a read that takes hours ends later in one than in another.
  -- Ten minutes of overlap, because the clocks of the service's machines differ a little, and what
  -- has ended may be listed a little late. Nothing in the service is older than 2000.
  EXECUTE format(
    'SELECT coalesce(array_agg(g.project) FILTER (WHERE g.is_one), ''{}''),
            coalesce(array_agg(g.latest) FILTER (WHERE g.is_one), ''{}''),
            coalesce(max(g.unfinished), ''{}'')
     FROM (SELECT m.%1$s AS project, grouping(m.%1$s) = 0 AS is_one,
                  coalesce(max(m.%2$s) - interval ''10 minutes'', ''2000-01-01Z'') AS latest,
                  CASE WHEN grouping(m.%1$s) = 1
                       THEN array_agg(m.%3$s::integer) FILTER (WHERE m.%4$s) END AS unfinished
           FROM %5$s AS m
           GROUP BY GROUPING SETS ((m.%1$s), ())) AS g',
    azure_devops.declared_name(source, 'project_id'),
    azure_devops.declared_name(source, CASE kind WHEN 'builds' THEN 'finish_time' ELSE 'closed_date' END),
    azure_devops.declared_name(source, CASE kind WHEN 'builds' THEN 'id' ELSE 'pull_request_id' END),
    azure_devops.declared_name(source, 'status')
      || CASE kind WHEN 'builds' THEN ' IS DISTINCT FROM ''completed''' ELSE ' = ''active''' END,
    target_name)
    INTO projects, latest, unfinished;
END
$$;

CREATE FUNCTION azure_devops.incremental("row" anyelement, matview text) RETURNS SETOF anyelement
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  source regclass;
  view regclass := to_regclass(matview);
  kind text;
  from_source text;
  same_shape boolean;
  has_rows boolean := false;
  token text;
  started bigint;
BEGIN
  SELECT t.typrelid INTO source FROM pg_type AS t WHERE t.oid = pg_typeof("row") AND t.typrelid <> 0;
  IF source IS NULL THEN
    RAISE EXCEPTION 'the first argument of azure_devops.incremental() is not a row of a foreign table'
      USING ERRCODE = 'wrong_object_type', HINT = 'Write it like this: NULL::ado.builds.';
  END IF;
  kind := azure_devops.kind_with_key(source);
  IF view IS NULL THEN
    RAISE EXCEPTION 'materialized view "%" does not exist', matview
      USING ERRCODE = 'undefined_table',
            HINT = 'Write the name of the view itself, with its schema, quoted as in SQL.';
  END IF;
  from_source := azure_devops.name_of(source);
  SELECT array_agg((a.attname, a.atttypid, a.atttypmod)::text ORDER BY a.attnum)
           FILTER (WHERE a.attrelid = source)
         = array_agg((a.attname, a.atttypid, a.atttypmod)::text ORDER BY a.attnum)
           FILTER (WHERE a.attrelid = view)
    INTO same_shape
    FROM pg_attribute AS a
    WHERE a.attrelid IN (source, view) AND a.attnum > 0 AND NOT a.attisdropped;
  IF same_shape AND coalesce(current_setting('azure_devops_fdw.read_in_full', true), '') <> 'on' THEN
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', azure_devops.name_of(view)) INTO has_rows;
  END IF;

  IF kind = 'work_item_revisions' THEN
    IF has_rows THEN
      SELECT b.watermark INTO token FROM azure_devops.bookmarks AS b
      WHERE b.target = azure_devops.name_of(view) AND b.source = from_source;
    END IF;
    PERFORM azure_devops.start_feed(source::oid, token, NULL);
    IF token IS NULL THEN
      RETURN QUERY EXECUTE format('SELECT * FROM %s', from_source);
    ELSE
      RETURN QUERY EXECUTE azure_devops.revisions_sql(source, view);
    END IF;
    GET DIAGNOSTICS started = ROW_COUNT;
    PERFORM azure_devops.save_bookmark(
      view, source, coalesce(azure_devops.feed_token(source::oid), token), started);
    RETURN;
  END IF;

  IF has_rows AND kind IN ('builds', 'pull_requests') THEN
    DECLARE
      changes record := azure_devops.changes_sql(source, kind);
      latest timestamptz[];
      stored uuid[];
      unfinished integer[];
      visible uuid[];
    BEGIN
      IF changes.fresh IS NOT NULL THEN
        SELECT s.projects, s.latest, s.unfinished INTO stored, latest, unfinished
          FROM azure_devops.stored_state(source, azure_devops.name_of(view), kind) AS s;
        visible := ARRAY(SELECT azure_devops.visible_projects(source::oid));
        PERFORM azure_devops.start_lists(
          source::oid, CASE kind WHEN 'builds' THEN 'finish_time' ELSE 'closed_date' END,
          stored, latest);
        RETURN QUERY EXECUTE format(
          'WITH %s SELECT (f.s).* FROM fresh AS f UNION ALL SELECT m.* FROM %s AS m WHERE %s',
          changes.fresh, azure_devops.name_of(view), changes.kept)
          USING ARRAY(SELECT unnest(visible) INTERSECT SELECT unnest(stored)),
                ARRAY(SELECT unnest(visible) EXCEPT SELECT unnest(stored)),
                unfinished,
                (SELECT min(l) FROM unnest(latest) AS l);
        GET DIAGNOSTICS started = ROW_COUNT;
        PERFORM azure_devops.save_bookmark(
          view, source, (SELECT max(l)::text FROM unnest(latest) AS l), started);
        RETURN;
      END IF;
    END;
  END IF;

  RETURN QUERY EXECUTE format('SELECT * FROM %s', from_source);
  GET DIAGNOSTICS started = ROW_COUNT;
  PERFORM azure_devops.save_bookmark(view, source, NULL, started);
END
$$;

COMMENT ON FUNCTION azure_devops.incremental(anyelement, text) IS
  'The rows of a foreign table, read by merging what changed into the stored rows of the view that it defines.';

-- The columns of revisions that the service changes when the next revision "n" is written, with
-- expressions over the stored row "m".
CREATE FUNCTION azure_devops.revised_columns(source regclass)
RETURNS TABLE (attribute name, expression text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  changed text := azure_devops.declared_name(source, 'changed_date');
  fields text := azure_devops.declared_name(source, 'fields');
  attrs text := azure_devops.declared_name(source, 'attrs');
  raw_date text := CASE
    WHEN fields IS NOT NULL THEN format('(n.s).%s -> ''System.ChangedDate''', fields)
    WHEN attrs IS NOT NULL THEN format('(n.s).%s -> ''fields'' -> ''System.ChangedDate''', attrs)
  END;
BEGIN
  RETURN QUERY
    SELECT d.declared_name::name,
      CASE d.column_name
        WHEN 'revised_date' THEN format('(n.s).%s', changed)
        WHEN 'fields' THEN
          format('CASE WHEN m.%1$I ? ''System.RevisedDate''
                  THEN pg_catalog.jsonb_set(m.%1$I, ''{System.RevisedDate}'', %2$s) ELSE m.%1$I END',
                 d.declared_name, raw_date)
        ELSE
          format('CASE WHEN m.%1$I -> ''fields'' ? ''System.RevisedDate''
                  THEN pg_catalog.jsonb_set(m.%1$I, ''{fields,System.RevisedDate}'', %2$s) ELSE m.%1$I END',
                 d.declared_name, raw_date)
      END
    FROM azure_devops.declared_columns(source) AS d
    WHERE d.has_own_type
      AND (d.column_name IN ('fields', 'attrs') OR (d.column_name = 'revised_date' AND changed IS NOT NULL));
END
$$;

-- Revisions: what the feed has behind the token, and the stored ones, whose System.RevisedDate the
-- service sets when the next revision is written.
CREATE FUNCTION azure_devops.revisions_sql(source regclass, target regclass) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  id text := azure_devops.declared_name(source, 'id');
  rev text := azure_devops.declared_name(source, 'rev');
  columns text;
BEGIN
  SELECT string_agg(
      CASE WHEN r.expression IS NULL THEN format('m.%I', a.attname)
           -- A row is NULL only if all of its columns are, so its key tells.
           ELSE format('CASE WHEN (n.s).%s IS NULL THEN m.%I ELSE %s END', id, a.attname, r.expression)
      END, ', ' ORDER BY a.attnum)
    INTO columns
    FROM pg_attribute AS a
    LEFT JOIN azure_devops.revised_columns(source) AS r ON r.attribute = a.attname
    WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped;
  RETURN format(
    'WITH fresh AS MATERIALIZED (SELECT s FROM %1$s AS s)
     SELECT (f.s).* FROM fresh AS f
     UNION ALL
     SELECT %5$s
     FROM %2$s AS m
     LEFT JOIN fresh AS n ON (n.s).%3$s = m.%3$s AND (n.s).%4$s = m.%4$s + 1
     WHERE NOT EXISTS (SELECT FROM fresh AS f WHERE (f.s).%3$s = m.%3$s AND (f.s).%4$s = m.%4$s)',
    azure_devops.name_of(source), azure_devops.name_of(target), id, rev, columns);
END
$$;

CREATE FUNCTION azure_devops.create_materialized_view(matview text, source regclass) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  kind text := azure_devops.kind_with_key(source);
  parts text[] := parse_ident(matview);
  name text;
  statements text[];
  statement text;
BEGIN
  IF cardinality(parts) <> 2 THEN
    RAISE EXCEPTION 'the name "%" has no schema', matview
      USING ERRCODE = 'invalid_name', HINT = 'Write it like this: analytics.builds.';
  END IF;
  name := format('%I.%I', parts[1], parts[2]);
  IF to_regclass(name) IS NOT NULL THEN
    RAISE EXCEPTION 'relation "%" already exists', name
      USING ERRCODE = 'duplicate_table', HINT = 'Drop it first, or choose another name.';
  END IF;
  statements := ARRAY[
    CASE WHEN kind IN ('builds', 'pull_requests', 'work_item_revisions') THEN
      format('CREATE MATERIALIZED VIEW %s AS SELECT * FROM azure_devops.incremental(NULL::%s, %L)',
             name, azure_devops.name_of(source), name)
    ELSE
      format('CREATE MATERIALIZED VIEW %s AS SELECT * FROM %s', name, azure_devops.name_of(source))
    END,
    (SELECT format('CREATE UNIQUE INDEX ON %s (%s)', name,
                   string_agg(format('%I', d.declared_name), ', ' ORDER BY d.column_name))
     FROM azure_devops.declared_columns(source) AS d WHERE d.is_key)];
  FOREACH statement IN ARRAY statements LOOP
    EXECUTE statement;
  END LOOP;
  RETURN array_to_string(statements, E';\n') || ';';
END
$$;

COMMENT ON FUNCTION azure_devops.create_materialized_view(text, regclass) IS
  'Creates a materialized view of a foreign table that refreshes incrementally, with its unique index; returns the SQL.';

-- Reads everything anew, whatever the view holds; readers are not blocked if it has a unique index.
CREATE FUNCTION azure_devops.full_refresh(matview regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  can_be_concurrent boolean;
BEGIN
  SELECT c.relispopulated AND EXISTS (
           SELECT FROM pg_index AS i
           WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid
             AND i.indpred IS NULL AND i.indexprs IS NULL)
    INTO can_be_concurrent
    FROM pg_class AS c WHERE c.oid = matview;
  PERFORM set_config('azure_devops_fdw.read_in_full', 'on', true);
  EXECUTE format('REFRESH MATERIALIZED VIEW %s %s',
                 CASE WHEN can_be_concurrent THEN 'CONCURRENTLY' ELSE '' END,
                 azure_devops.name_of(matview));
  PERFORM set_config('azure_devops_fdw.read_in_full', 'off', true);
END
$$;

COMMENT ON FUNCTION azure_devops.full_refresh(regclass) IS
  'Refreshes a materialized view by reading everything anew.';

-- sync(): the same increments into an ordinary table, committed batch by batch with the bookmark.

ALTER TABLE azure_devops.bookmarks ADD COLUMN projects uuid[];
COMMENT ON COLUMN azure_devops.bookmarks.projects IS
  'Projects that have been read in full; the others are still to come.';

-- Locks a target against a second sync until the end of the transaction, without blocking readers or
-- writers; also shows azure_devops.save_bookmark() that the caller may write to it.
CREATE FUNCTION azure_devops.lock_target(target regclass) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtext('azure_devops_fdw.sync'), target::oid::bigint::integer) THEN
    RAISE EXCEPTION 'another sync into % is running', azure_devops.name_of(target)
      USING ERRCODE = 'lock_not_available', HINT = 'Wait until it has ended; it commits as it goes.';
  END IF;
  EXECUTE format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', azure_devops.name_of(target));
END
$$;

CREATE FUNCTION azure_devops.save_progress(target regclass, source regclass, done uuid[], problem text)
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT azure_devops.save_bookmark(
      save_progress.target, save_progress.source,
      (SELECT b.watermark FROM azure_devops.bookmarks AS b
       WHERE b.target = azure_devops.name_of(save_progress.target)
         AND b.source = azure_devops.name_of(save_progress.source)),
      (SELECT b."rows" FROM azure_devops.bookmarks AS b
       WHERE b.target = azure_devops.name_of(save_progress.target))) THEN
    RAISE EXCEPTION 'only sync() may move the bookmark of %', azure_devops.name_of(save_progress.target)
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  UPDATE azure_devops.bookmarks AS b SET projects = done, last_error = problem
  WHERE b.target = azure_devops.name_of(save_progress.target);
END
$$;

-- The table of that name, made like the source if there is none.
CREATE FUNCTION azure_devops.sync_target(source regclass, target text, mode text, home name)
RETURNS regclass
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  parts text[] := parse_ident(target);
  name text := CASE cardinality(parts)
    WHEN 2 THEN format('%I.%I', parts[1], parts[2])
    WHEN 1 THEN format('%I.%I', home, parts[1])
  END;
  keys text;
BEGIN
  IF name IS NULL THEN
    RAISE EXCEPTION '"%" is not the name of a table', target USING ERRCODE = 'invalid_name';
  END IF;
  IF to_regclass(name) IS NULL THEN
    SELECT string_agg(format('%I', d.declared_name), ', ' ORDER BY d.column_name) INTO keys
    FROM azure_devops.declared_columns(source) AS d WHERE d.is_key;
    EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING COMMENTS, %s)', name, azure_devops.name_of(source),
      CASE mode WHEN 'append' THEN 'synced_at timestamptz NOT NULL DEFAULT clock_timestamp()'
                ELSE format('PRIMARY KEY (%s)', keys) END);
    IF mode = 'append' THEN
      EXECUTE format('CREATE INDEX ON %s (%s, synced_at)', name, keys);
    END IF;
  END IF;
  IF (SELECT c.relkind NOT IN ('r', 'p') FROM pg_class AS c WHERE c.oid = to_regclass(name)) THEN
    RAISE EXCEPTION '% is not a table', name
      USING ERRCODE = 'wrong_object_type', HINT = 'Materialized views are refreshed, not synced.';
  END IF;
  RETURN to_regclass(name);
END
$$;

-- SQL that merges the batch (column "s" of pg_temp.azure_devops_batch) into the target.
CREATE FUNCTION azure_devops.merge_sql(source regclass, target regclass, mode text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  name text := azure_devops.name_of(target);
  columns text;
  batch_columns text;
  sets text;
  stored_columns text;
  new_columns text;
  same_key text;
  conflict text;
BEGIN
  SELECT string_agg(format('%I', s.attname), ', ' ORDER BY s.attnum),
         string_agg(format('(b.s).%I', s.attname), ', ' ORDER BY s.attnum),
         string_agg(format('%1$I = EXCLUDED.%1$I', s.attname), ', ' ORDER BY s.attnum),
         string_agg(format('t.%I', s.attname), ', ' ORDER BY s.attnum),
         string_agg(format('EXCLUDED.%I', s.attname), ', ' ORDER BY s.attnum)
    INTO columns, batch_columns, sets, stored_columns, new_columns
    FROM pg_attribute AS s JOIN pg_attribute AS t ON t.attname = s.attname
    WHERE s.attrelid = source AND t.attrelid = target
      AND s.attnum > 0 AND t.attnum > 0 AND NOT s.attisdropped AND NOT t.attisdropped
      AND t.attgenerated = '';
  SELECT string_agg(format('t.%1$I = (b.s).%1$I', d.declared_name), ' AND ')
    INTO same_key FROM azure_devops.declared_columns(source) AS d WHERE d.is_key;
  IF mode = 'append' THEN
    RETURN format(
      'INSERT INTO %1$s (%2$s)
       SELECT %3$s FROM pg_temp.azure_devops_batch AS b
       LEFT JOIN LATERAL (SELECT true AS found, t.* FROM %1$s AS t WHERE %4$s
                          ORDER BY t.synced_at DESC LIMIT 1) AS t ON true
       WHERE t.found IS NULL OR ROW(%5$s) IS DISTINCT FROM ROW(%3$s)',
      name, columns, batch_columns, same_key, stored_columns);
  END IF;
  -- A partitioned table's key has the partition key in it, too.
  SELECT (SELECT string_agg(format('%I', a.attname), ', ')
          FROM pg_attribute AS a WHERE a.attrelid = target AND a.attnum = ANY (i.indkey))
    INTO conflict
    FROM pg_index AS i
    WHERE i.indrelid = target AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
      AND NOT EXISTS (
        SELECT FROM azure_devops.declared_columns(source) AS d
        WHERE d.is_key AND NOT EXISTS (
          SELECT FROM pg_attribute AS a
          WHERE a.attrelid = target AND a.attnum = ANY (i.indkey) AND a.attname = d.declared_name))
    ORDER BY i.indnatts LIMIT 1;
  IF conflict IS NULL THEN
    RAISE EXCEPTION 'table % has no unique index on the key of %', name, azure_devops.name_of(source)
      USING ERRCODE = 'invalid_table_definition', HINT = 'Create one, or a primary key.';
  END IF;
  RETURN format(
    'INSERT INTO %s AS t (%s) SELECT %s FROM pg_temp.azure_devops_batch AS b
     ON CONFLICT (%s) DO UPDATE SET %s WHERE ROW(%s) IS DISTINCT FROM ROW(%s)',
    name, columns, batch_columns, conflict, sets, stored_columns, new_columns);
END
$$;

-- One batch: reads it, merges it, moves the bookmark. Returns what is left to do.
CREATE FUNCTION azure_devops.sync_batch(source regclass, target regclass, mode text, is_first boolean)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
  kind text := azure_devops.kind_with_key(source);
  from_source text := azure_devops.name_of(source);
  into_target text := azure_devops.name_of(target);
  keys text;
  latest_only text;
  is_empty boolean;
  bookmark azure_devops.bookmarks;
  visible uuid[];
  stored uuid[];
  latest timestamptz[];
  unfinished integer[];
  changes record;
  next_project uuid;
  merged bigint;
  token text;
  project text := azure_devops.declared_name(source, 'project_id');
  id text := azure_devops.declared_name(
    source, CASE kind WHEN 'pull_requests' THEN 'pull_request_id' ELSE 'id' END);
BEGIN
  SELECT b.* INTO bookmark FROM azure_devops.bookmarks AS b
  WHERE b.target = into_target AND b.source = from_source;
  IF is_first THEN
    -- A bookmark says nothing of a table that was emptied, or restored without its rows.
    EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s)', into_target) INTO is_empty;
    IF is_empty THEN
      bookmark := NULL;
    END IF;
  END IF;
  SELECT string_agg(format('t.%I', d.declared_name), ', ' ORDER BY d.column_name) INTO keys
  FROM azure_devops.declared_columns(source) AS d WHERE d.is_key;

  IF kind = 'work_item_revisions' THEN
    PERFORM azure_devops.start_feed(source::oid, bookmark.watermark, 20);
    EXECUTE format('CREATE TEMPORARY TABLE azure_devops_batch ON COMMIT DROP AS
                    SELECT DISTINCT ON (%1$s) t AS s FROM %2$s AS t', keys, from_source);
    token := coalesce(azure_devops.feed_token(source::oid), bookmark.watermark);
    IF mode <> 'append' THEN
      EXECUTE (
        SELECT format('UPDATE %s AS m SET %s FROM pg_temp.azure_devops_batch AS n
                       WHERE (n.s).%3$s = m.%3$s AND (n.s).%4$s = m.%4$s + 1',
                      into_target, string_agg(format('%I = %s', r.attribute, r.expression), ', '),
                      azure_devops.declared_name(source, 'id'), azure_devops.declared_name(source, 'rev'))
        FROM azure_devops.revised_columns(source) AS r
        WHERE EXISTS (SELECT FROM pg_attribute AS a
                      WHERE a.attrelid = target AND a.attname = r.attribute AND NOT a.attisdropped)
        HAVING count(*) > 0);
    END IF;
    EXECUTE azure_devops.merge_sql(source, target, mode);
    GET DIAGNOSTICS merged = ROW_COUNT;
    PERFORM azure_devops.save_bookmark(
      target, source, token,
      CASE WHEN is_first THEN 0 ELSE coalesce(bookmark."rows", 0) END + merged);
    RETURN CASE WHEN azure_devops.feed_is_complete(source::oid) THEN NULL ELSE 'more revisions' END;
  END IF;

  changes := azure_devops.changes_sql(
    source, CASE WHEN kind IN ('builds', 'pull_requests') THEN kind ELSE 'builds' END);
  -- Without the columns that tell what may have changed, everything is read.
  IF kind NOT IN ('builds', 'pull_requests') OR changes.fresh IS NULL OR EXISTS (
    SELECT FROM azure_devops.declared_columns(source) AS d
    WHERE d.column_name IN ('status', 'project_id',
                            CASE kind WHEN 'builds' THEN 'finish_time' ELSE 'closed_date' END)
      AND NOT EXISTS (SELECT FROM pg_attribute AS a
                      WHERE a.attrelid = target AND a.attname = d.declared_name AND NOT a.attisdropped)
  ) THEN
    EXECUTE format('CREATE TEMPORARY TABLE azure_devops_batch ON COMMIT DROP AS SELECT s FROM %s AS s',
                   from_source);
    EXECUTE azure_devops.merge_sql(source, target, mode);
    GET DIAGNOSTICS merged = ROW_COUNT;
    IF mode <> 'append' THEN
      EXECUTE format('DELETE FROM %s AS t WHERE NOT EXISTS (
                        SELECT FROM pg_temp.azure_devops_batch AS b WHERE %s)', into_target,
        (SELECT string_agg(format('(b.s).%1$I = t.%1$I', d.declared_name), ' AND ')
         FROM azure_devops.declared_columns(source) AS d WHERE d.is_key));
    END IF;
    PERFORM azure_devops.save_bookmark(target, source, NULL, merged);
    RETURN NULL;
  END IF;

  visible := ARRAY(SELECT azure_devops.visible_projects(source::oid));
  IF is_first THEN
    -- What is known already is brought up to date, in one batch.
    latest_only := CASE mode WHEN 'append' THEN
      format('(SELECT DISTINCT ON (%1$s) t.* FROM %2$s AS t ORDER BY %1$s, t.synced_at DESC)', keys, into_target)
      ELSE into_target END;
    SELECT s.projects, s.latest, s.unfinished INTO stored, latest, unfinished
      FROM azure_devops.stored_state(source, latest_only, kind) AS s;
    PERFORM azure_devops.start_lists(
      source::oid, CASE kind WHEN 'builds' THEN 'finish_time' ELSE 'closed_date' END, stored, latest);
    EXECUTE format('CREATE TEMPORARY TABLE azure_devops_batch ON COMMIT DROP AS
                    WITH %s SELECT f.s FROM fresh AS f', changes.fresh)
      USING ARRAY(SELECT unnest(visible) INTERSECT SELECT unnest(bookmark.projects)),
            '{}'::uuid[], unfinished,
            coalesce((SELECT min(l) FROM unnest(latest) AS l), '2000-01-01Z');
    IF mode <> 'append' THEN
      EXECUTE format('DELETE FROM %1$s AS t
                      WHERE t.%2$s <> ALL ($1)
                         OR (t.%3$s = ANY ($2) AND t.%2$s = ANY ($3) AND NOT EXISTS (
                              SELECT FROM pg_temp.azure_devops_batch AS b WHERE (b.s).%3$s = t.%3$s))',
                     into_target, project, id)
        USING visible, unfinished, bookmark.projects;
    END IF;
  ELSE
    SELECT v INTO next_project FROM unnest(visible) AS v
    WHERE v <> ALL (coalesce(bookmark.projects, '{}')) ORDER BY v LIMIT 1;
    IF next_project IS NULL THEN
      RETURN NULL;
    END IF;
    EXECUTE format('CREATE TEMPORARY TABLE azure_devops_batch ON COMMIT DROP AS
                    SELECT s FROM %s AS s WHERE s.%s = $1', from_source, project)
      USING next_project;
    IF mode <> 'append' THEN
      -- After a reset there may be rows of builds that are gone.
      EXECUTE format('DELETE FROM %1$s AS t WHERE t.%2$s = $1 AND NOT EXISTS (
                        SELECT FROM pg_temp.azure_devops_batch AS b WHERE (b.s).%3$s = t.%3$s)',
                     into_target, project, id)
        USING next_project;
    END IF;
  END IF;
  EXECUTE azure_devops.merge_sql(source, target, mode);
  GET DIAGNOSTICS merged = ROW_COUNT;
  PERFORM azure_devops.save_bookmark(
    target, source, (SELECT max(l)::text FROM unnest(latest) AS l),
    CASE WHEN is_first THEN 0 ELSE coalesce(bookmark."rows", 0) END + merged);
  PERFORM azure_devops.save_progress(
    target, source,
    ARRAY(SELECT unnest(bookmark.projects) INTERSECT SELECT unnest(visible)
          UNION SELECT next_project WHERE next_project IS NOT NULL),
    'not ended yet');
  RETURN format('%s of %s projects', (
    SELECT count(*) FROM azure_devops.bookmarks AS b, unnest(b.projects) WHERE b.target = into_target),
    cardinality(visible));
END
$$;

CREATE PROCEDURE azure_devops.sync(source regclass, target text, mode text DEFAULT 'upsert')
LANGUAGE plpgsql
-- No SET clause: it would forbid COMMIT. Every name is qualified, and the path set batch by batch.
AS $$
#variable_conflict use_variable
DECLARE
  home name := pg_catalog.current_schema();
  target_table regclass;
  "left" text := '';
  is_first boolean := true;
  begun timestamptz := pg_catalog.clock_timestamp();
BEGIN
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  IF mode NOT IN ('upsert', 'append') THEN
    RAISE EXCEPTION 'mode "%" is not known', mode
      USING ERRCODE = 'invalid_parameter_value', HINT = 'Modes: upsert, append.';
  END IF;
  PERFORM azure_devops.kind_with_key(source);
  target_table := azure_devops.sync_target(source, target, mode, home);
  PERFORM azure_devops.lock_target(target_table);
  -- A failure takes its transaction with it, so the mark is set before and taken away at the end.
  PERFORM azure_devops.save_progress(
    target_table, source,
    (SELECT b.projects FROM azure_devops.bookmarks AS b
     WHERE b.target = azure_devops.name_of(target_table) AND b.source = azure_devops.name_of(source)),
    pg_catalog.format('the run that began at %s has not ended', begun));
  COMMIT;
  WHILE "left" IS NOT NULL LOOP
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM azure_devops.lock_target(target_table);
    "left" := azure_devops.sync_batch(source, target_table, mode, is_first);
    is_first := false;
    IF "left" IS NOT NULL THEN
      IF clock_timestamp() - begun > interval '5 seconds' THEN
        RAISE NOTICE 'sync into %: %', azure_devops.name_of(target_table), "left";
      END IF;
    ELSE
      PERFORM azure_devops.save_progress(
        target_table, source,
        (SELECT b.projects FROM azure_devops.bookmarks AS b
         WHERE b.target = azure_devops.name_of(target_table)), NULL);
    END IF;
    COMMIT;
  END LOOP;
END
$$;

COMMENT ON PROCEDURE azure_devops.sync(regclass, text, text) IS
  'Copies a foreign table into an ordinary one, and from then on only what changed; commits batch by batch.';

-- Makes the next sync or refresh of a target read everything anew.
CREATE FUNCTION azure_devops.reset(target regclass) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT pg_has_role(session_user, (SELECT c.relowner FROM pg_class AS c WHERE c.oid = reset.target), 'MEMBER') THEN
    RAISE EXCEPTION 'must be owner of %', azure_devops.name_of(reset.target)
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  DELETE FROM azure_devops.bookmarks AS b WHERE b.target = azure_devops.name_of(reset.target);
END
$$;

COMMENT ON FUNCTION azure_devops.reset(regclass) IS
  'Forgets how far a target has been read, so that the next run starts over.';

COMMENT ON FUNCTION azure_devops.check(text) IS
  'Whether each table of a server can be read with your credential, and if not, what is missing.';

COMMENT ON FUNCTION azure_devops.tables() IS
  'The tables that there are: what they hold, their keys, and the scope that a token needs.';
COMMENT ON FUNCTION azure_devops.columns() IS
  'Their columns: types, meaning, JSON field, and the operators that narrow the requests.';
