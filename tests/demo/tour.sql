-- Shown by tests/demo/run statement by statement, each before its result.

\set ON_ERROR_STOP on

\echo
\echo '=== 1. Connect: a server for the organization, a token for the user, the tables in a schema'
\echo '       (base_url because of the simulator; the service takes OPTIONS (organization ''myorg''))'
\echo

CREATE EXTENSION azure_devops_fdw;
CREATE SERVER ado FOREIGN DATA WRAPPER azure_devops_fdw
  OPTIONS (base_url :'base_url');
CREATE USER MAPPING FOR CURRENT_USER SERVER ado OPTIONS (pat 'simulator-token');
CREATE SCHEMA ado;
IMPORT FOREIGN SCHEMA azure_devops FROM SERVER ado INTO ado;

\echo
\echo '=== 2. What is there'
\echo

SELECT 'projects' AS "table", count(*) FROM ado.projects
UNION ALL SELECT 'repositories', count(*) FROM ado.repositories
UNION ALL SELECT 'builds', count(*) FROM ado.builds
UNION ALL SELECT 'pull_requests', count(*) FROM ado.pull_requests
UNION ALL SELECT 'work_item_revisions', count(*) FROM ado.work_item_revisions;

\echo
\echo '=== 3. A table of the product, joined with the builds that made its releases'
\echo

CREATE SCHEMA product;
CREATE TABLE product.releases (version text PRIMARY KEY, build_id integer NOT NULL);

INSERT INTO product.releases
SELECT '4.' || row_number() OVER (ORDER BY id), id
FROM (SELECT id FROM ado.builds
      WHERE result = 'succeeded' AND source_branch = 'refs/heads/main'
      ORDER BY id DESC LIMIT 5) AS latest;

SELECT r.version, b.project_name, b.definition_name,
       date_trunc('second', b.finish_time - b.start_time) AS took
FROM   product.releases r JOIN ado.builds b ON b.id = r.build_id
ORDER  BY b.id;

\echo
\echo '=== 4. The last seven days, and the requests that were sent for it: the filter goes along'
\echo

SET azure_devops_fdw.trace_requests = on;

SELECT project_name, count(*) AS builds, count(*) FILTER (WHERE result = 'failed') AS failed
FROM   ado.builds
WHERE  queue_time > now() - interval '7 days'
GROUP  BY project_name
ORDER  BY builds DESC, project_name;

RESET azure_devops_fdw.trace_requests;

\echo
\echo '=== 5. How long pull requests take, by repository'
\echo

SELECT repository_name, count(*) AS completed,
       round((percentile_cont(0.5) WITHIN GROUP (ORDER BY hours))::numeric, 1) AS median_hours,
       round((percentile_cont(0.9) WITHIN GROUP (ORDER BY hours))::numeric, 1) AS p90_hours
FROM  (SELECT repository_name,
              extract(epoch FROM closed_date - creation_date) / 3600 AS hours
       FROM   ado.pull_requests
       WHERE  status = 'completed') AS cycle
GROUP  BY repository_name
ORDER  BY median_hours DESC;

\echo
\echo '=== 6. The history of work items: each state, since when, until when'
\echo

WITH change AS (
  SELECT id, rev, work_item_type, state, changed_date,
         lag(state) OVER (PARTITION BY id ORDER BY rev) AS state_before
  FROM   ado.work_item_revisions
  WHERE  NOT is_deleted
)
SELECT id, work_item_type, state,
       date_trunc('minute', changed_date) AS since,
       date_trunc('minute', lead(changed_date) OVER (PARTITION BY id ORDER BY rev)) AS until
FROM   change
WHERE  state IS DISTINCT FROM state_before
ORDER  BY id, rev
LIMIT  14;

\echo
\echo '=== 7. A mistyped option is refused, with a hint'
\echo

\set ON_ERROR_STOP off
ALTER SERVER ado OPTIONS (ADD max_concurency '4');
