select 1
----
SELECT 1

SELECT a, t.b, s.t.c AS "C d", t.* FROM s.t t
----
SELECT a, t.b, s.t.c AS "C d", t.* FROM s.t AS t

SELECT * FROM a, b CROSS JOIN c NATURAL LEFT JOIN d
----
SELECT * FROM a, b CROSS JOIN c NATURAL LEFT JOIN d

SELECT * FROM a LEFT OUTER JOIN b ON a.x = b.x RIGHT JOIN c USING (x, y) FULL OUTER JOIN d ON true
----
SELECT * FROM a LEFT JOIN b ON a.x = b.x RIGHT JOIN c USING (x, y) FULL JOIN d ON TRUE

SELECT * FROM a JOIN b JOIN c ON b.x = c.x ON a.x = b.x
----
SELECT * FROM a JOIN (b JOIN c ON b.x = c.x) ON a.x = b.x

SELECT * FROM (a JOIN b ON true) LEFT JOIN (c CROSS JOIN d) ON false
----
SELECT * FROM a JOIN b ON TRUE LEFT JOIN (c CROSS JOIN d) ON FALSE

SELECT * FROM (SELECT 1) AS x (n), LATERAL (SELECT n + 1) y, LATERAL generate_series(1, n) WITH ORDINALITY AS g(v, o)
----
SELECT * FROM (SELECT 1) AS x (n), LATERAL (SELECT n + 1) AS y, LATERAL generate_series(1, n) WITH ORDINALITY AS g (v, o)

SELECT * FROM ((SELECT 1)) x
----
SELECT * FROM (SELECT 1) AS x

SELECT DISTINCT a FROM t
----
SELECT DISTINCT a FROM t

SELECT ALL a FROM t
----
SELECT a FROM t

SELECT DISTINCT ON (a, b + 1) a, c FROM t ORDER BY a, b + 1, c DESC NULLS LAST
----
SELECT DISTINCT ON (a, b + 1) a, c FROM t ORDER BY a, b + 1, c DESC NULLS LAST

SELECT a, count(*) FROM t WHERE b > 1 GROUP BY a HAVING count(*) > 2 ORDER BY 2 DESC, a ASC NULLS FIRST LIMIT 10 OFFSET 20
----
SELECT a, count(*) FROM t WHERE b > 1 GROUP BY a HAVING count(*) > 2 ORDER BY 2 DESC, a NULLS FIRST LIMIT 10 OFFSET 20

SELECT a FROM t GROUP BY ROLLUP (a, (b, c)), CUBE (d), GROUPING SETS ((a, b), a, (), ROLLUP (c)), ()
----
SELECT a FROM t GROUP BY ROLLUP (a, (b, c)), CUBE (d), GROUPING SETS ((a, b), a, (), ROLLUP (c)), ()

SELECT a FROM t GROUP BY (a, b), (c)
----
SELECT a FROM t GROUP BY a, b, c

SELECT grouping(a), cube(2) FROM t GROUP BY a
----
SELECT "grouping"(a), "cube"(2) FROM t GROUP BY a

SELECT 1 UNION SELECT 2 UNION ALL SELECT 3 EXCEPT SELECT 4 INTERSECT SELECT 5
----
SELECT 1 UNION SELECT 2 UNION ALL SELECT 3 EXCEPT SELECT 4 INTERSECT SELECT 5

SELECT 1 UNION (SELECT 2 UNION SELECT 3)
----
SELECT 1 UNION (SELECT 2 UNION SELECT 3)

(SELECT 1) UNION DISTINCT (SELECT 2 ORDER BY 1 LIMIT 1) ORDER BY 1
----
SELECT 1 UNION (SELECT 2 ORDER BY 1 LIMIT 1) ORDER BY 1

((SELECT 1 UNION SELECT 2) INTERSECT SELECT 3)
----
(SELECT 1 UNION SELECT 2) INTERSECT SELECT 3

(SELECT 1 LIMIT 5) LIMIT 2
----
(SELECT 1 LIMIT 5) LIMIT 2

((SELECT 1))
----
SELECT 1

VALUES (1, 'a'), (2, 'b') ORDER BY 1
----
VALUES (1, 'a'), (2, 'b') ORDER BY 1

SELECT * FROM (VALUES (1, 2)) AS v (a, b)
----
SELECT * FROM (VALUES (1, 2)) AS v (a, b)

TABLE s.t
----
SELECT * FROM s.t

TABLE a UNION TABLE b
----
SELECT * FROM a UNION SELECT * FROM b

WITH a AS (SELECT 1), b (x, y) AS MATERIALIZED (SELECT 2, 3), c AS NOT MATERIALIZED (TABLE d) SELECT * FROM a, b, c
----
WITH a AS (SELECT 1), b (x, y) AS MATERIALIZED (SELECT 2, 3), c AS NOT MATERIALIZED (SELECT * FROM d) SELECT * FROM a, b, c

WITH RECURSIVE r (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM r WHERE n < 100) SELECT sum(n) FROM r
----
WITH RECURSIVE r (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM r WHERE n < 100) SELECT sum(n) FROM r

WITH moved AS (DELETE FROM a WHERE x < 1 RETURNING *) INSERT INTO b SELECT * FROM moved
----
WITH moved AS (DELETE FROM a WHERE x < 1 RETURNING *) INSERT INTO b SELECT * FROM moved

WITH a AS (UPDATE t SET x = 1 RETURNING x), b AS (INSERT INTO u VALUES (1) RETURNING y) SELECT * FROM a, b
----
WITH a AS (UPDATE t SET x = 1 RETURNING x), b AS (INSERT INTO u VALUES (1) RETURNING y) SELECT * FROM a, b

WITH w AS ((SELECT 1)) (SELECT * FROM w)
----
WITH w AS (SELECT 1) SELECT * FROM w

SELECT (SELECT max(a) FROM t), EXISTS (SELECT 1), a IN (SELECT b FROM u), ARRAY FROM t AS x
----
SELECT (SELECT max(a) FROM t), EXISTS (SELECT 1), a IN (SELECT b FROM u), array FROM t AS x

SELECT * FROM t ORDER BY a LIMIT ALL
----
SELECT * FROM t ORDER BY a

SELECT * FROM t OFFSET 5 ROWS FETCH NEXT 10 ROWS ONLY
----
SELECT * FROM t LIMIT 10 OFFSET 5

SELECT * FROM t ORDER BY a FETCH FIRST ROW ONLY
----
SELECT * FROM t ORDER BY a LIMIT 1

SELECT * FROM t ORDER BY a FETCH FIRST 10 PERCENT ROWS WITH TIES
----
SELECT * FROM t ORDER BY a FETCH FIRST 10 PERCENT ROWS WITH TIES

SELECT * FROM t ORDER BY a OFFSET ? LIMIT ?
----
SELECT * FROM t ORDER BY a LIMIT ? OFFSET ?

SELECT * FROM t LIMIT :n + 1 OFFSET :m
----
SELECT * FROM t LIMIT :n + 1 OFFSET :m

SELECT * FROM t FOR UPDATE
----
SELECT * FROM t FOR UPDATE

SELECT * FROM t, u FOR NO KEY UPDATE OF t NOWAIT FOR KEY SHARE OF u SKIP LOCKED
----
SELECT * FROM t, u FOR NO KEY UPDATE OF t NOWAIT FOR KEY SHARE OF u SKIP LOCKED

SELECT a FROM t LIMIT 1 FOR SHARE
----
SELECT a FROM t LIMIT 1 FOR SHARE

SELECT sum(a) OVER w, rank() OVER (w ORDER BY b) FROM t WINDOW w AS (PARTITION BY c), x AS (w)
----
SELECT sum(a) OVER w, rank() OVER (w ORDER BY b) FROM t WINDOW w AS (PARTITION BY c), x AS (w)

SELECT row_number() OVER (ORDER BY a ROWS UNBOUNDED PRECEDING)
----
SELECT row_number() OVER (ORDER BY a ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)

SELECT avg(a) OVER (PARTITION BY b, c ORDER BY d RANGE BETWEEN INTERVAL '1' DAY PRECEDING AND CURRENT ROW EXCLUDE TIES)
----
SELECT avg(a) OVER (PARTITION BY b, c ORDER BY d RANGE BETWEEN CAST('1 day' AS interval) PRECEDING AND CURRENT ROW EXCLUDE TIES)

SELECT lag(a, 1, 0) IGNORE NULLS OVER (ORDER BY b GROUPS BETWEEN 1 PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE NO OTHERS)
----
SELECT lag(a, 1, 0) IGNORE NULLS OVER (ORDER BY b GROUPS BETWEEN 1 PRECEDING AND UNBOUNDED FOLLOWING)

SELECT count(DISTINCT a), string_agg(a, ',' ORDER BY b DESC), count(*) FILTER (WHERE a > 1) FROM t
----
SELECT count(DISTINCT a), string_agg(a, ',' ORDER BY b DESC), count(*) FILTER (WHERE a > 1) FROM t

SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FILTER (WHERE b) OVER (PARTITION BY c) FROM t
----
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FILTER (WHERE b) OVER (PARTITION BY c) FROM t

SELECT a value, b name, c type, d key, e action, f index, g data, h level, i "order" FROM t
----
SELECT a AS "value", b AS name, c AS "type", d AS "key", e AS "action", f AS "index", g AS data, h AS "level", i AS "order" FROM t

SELECT a AS select, b AS from, c AS order, d AS current_date, e AS left FROM t
----
SELECT a AS "select", b AS "from", c AS "order", d AS "current_date", e AS "left" FROM t

SELECT t.select, t.order.by FROM t
----
SELECT t."select", t."order"."by" FROM t

SELECT year, month, day, hour, minute, second, date, time, timestamp, interval, text, position, filter, over, row FROM t
----
SELECT "year", "month", "day", "hour", "minute", "second", date, "time", "timestamp", "interval", text, "position", "filter", "over", "row" FROM t

SELECT left(a, 1), right(a, 1), replace(a, 'x', 'y'), year(a), date(a), time(b), values(c) FROM t
----
SELECT left(a, 1), right(a, 1), replace(a, 'x', 'y'), year(a), date(a), time(b), "values"(c) FROM t

SELECT 1 a UNION SELECT 2
----
SELECT 1 AS a UNION SELECT 2

SELECT pg_catalog.count(*), "Weird Name"."select" FROM "T" AS "t"
----
SELECT pg_catalog.count(*), "Weird Name"."select" FROM "T" AS t

SELECT a FROM t first, u "second" WHERE first.a = "second".b
----
SELECT a FROM t AS "first", u AS "second" WHERE "first".a = "second".b

SELECT anon_1.x AS x_1 FROM (SELECT users.id AS x FROM users WHERE users.name = ? ORDER BY users.id) AS anon_1 WHERE anon_1.x > ?
----
SELECT anon_1.x AS x_1 FROM (SELECT users.id AS x FROM users WHERE users.name = ? ORDER BY users.id) AS anon_1 WHERE anon_1.x > ?

SELECT CAST(a AS VARCHAR(10)) AS anon_1, coalesce(b, ?) AS coalesce_1 FROM t WHERE (a IN (?, ?)) AND (b IS NULL OR c NOT LIKE '%x%')
----
SELECT CAST(a AS varchar(10)) AS anon_1, coalesce(b, ?) AS coalesce_1 FROM t WHERE a IN (?, ?) AND (b IS NULL OR c NOT LIKE '%x%')

SELECT * FROM a INNER JOIN b ON (a.id = b.id AND b.x IN (1)) WHERE NOT EXISTS (SELECT 1 FROM c WHERE c.id = a.id)
----
SELECT * FROM a JOIN b ON a.id = b.id AND b.x IN (1) WHERE NOT EXISTS (SELECT 1 FROM c WHERE c.id = a.id)

SELECT * FROM f(1) WITH ORDINALITY
----
SELECT * FROM f(1) WITH ORDINALITY

WITH ordinality AS (SELECT 1), data (a) AS (SELECT 2), ties AS NOT MATERIALIZED (SELECT 3) SELECT * FROM ordinality, data, ties
----
WITH ordinality AS (SELECT 1), data (a) AS (SELECT 2), "ties" AS NOT MATERIALIZED (SELECT 3) SELECT * FROM ordinality, data, "ties"

SELECT substring(x, 1, 2), s.f(), g() FROM information_schema.tables
----
SELECT substring(x, 1, 2), s.f(), g() FROM information_schema.tables

SELECT a -- a comment
----
SELECT a

SELECT /* nested /* comment */ here */ a FROM t
----
SELECT a FROM t

SELECT a FROM t;
----
SELECT a FROM t
