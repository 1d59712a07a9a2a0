-- Writes that a query feeds, ON CONFLICT, RETURNING.
CREATE TABLE t (id INT PRIMARY KEY, a INT UNIQUE, b TEXT DEFAULT 'd');
INSERT INTO t SELECT 1, 10, 'x' UNION ALL SELECT 2, 20, 'y' ORDER BY 1;
--> 2 rows
INSERT INTO t (id, a) SELECT id + 10, a + 100 FROM t WHERE id < 10;
--> 2 rows
INSERT INTO t (id, a) SELECT id, a FROM t;
--> UniqueViolation 23505: duplicate key value violates unique constraint "t_pkey"
-->   Key (id)=(1) already exists.
INSERT INTO t (id, a) VALUES ((SELECT max(id) + 1 FROM t), 7), (50, DEFAULT) RETURNING id, a, b, id * 2 AS twice;
--> (13, 7, 'd', 26)
--> (50, None, 'd', 100)
INSERT INTO t SELECT 1, 2, 3, 4;
--> SQLSyntaxError 42601: INSERT has more expressions than target columns
INSERT INTO t (id) SELECT 'x';
--> InvalidTextRepresentation 22P02: invalid input syntax for type integer: "x"
WITH w AS (SELECT 60 AS i) INSERT INTO t (id) SELECT i FROM w RETURNING *;
--> (60, None, 'd')
UPDATE t SET a = a + 1;
--> 7 rows
UPDATE t SET id = id + 1;
--> 7 rows
UPDATE t SET b = b || '!' WHERE a > 100 RETURNING id, b;
--> (12, 'd!')
--> (13, 'd!')
UPDATE t AS z SET b = (SELECT min(b) FROM t) WHERE z.id = 2 RETURNING z.*;
--> (2, 11, 'd')
UPDATE t SET (a, b) = (SELECT 99, 'sub') WHERE id = 2;
--> 1 rows
UPDATE t SET a = 5 WHERE id IN (2, 3);
--> UniqueViolation 23505: duplicate key value violates unique constraint "t_a_key"
-->   Key (a)=(5) already exists.
CREATE TABLE f (id INT, n TEXT);
INSERT INTO f VALUES (2, 'two'), (3, 'three'), (3, 'drei');
--> 3 rows
UPDATE t SET b = f.n FROM f WHERE f.id = t.id AND f.n <> 'drei' RETURNING t.id, t.b, f.n, f.id + 1 AS next;
--> (2, 'two', 'two', 3)
--> (3, 'three', 'three', 4)
UPDATE t SET b = f.n FROM f WHERE f.id = t.id AND t.id = 3;
--> 1 rows
DELETE FROM t USING f WHERE f.id = t.id AND f.n = 'two' RETURNING t.id, f.n;
--> (2, 'two')
DELETE FROM t WHERE b IS NULL OR id > 40 RETURNING id;
--> (51,)
--> (61,)
ROWS t;
--> (12, 111, 'd!')
--> (13, 121, 'd!')
--> (14, 8, 'd')
--> (3, 21, 'three')
INSERT INTO t VALUES (3, 1, 'c') ON CONFLICT DO NOTHING;
--> 0 rows
INSERT INTO t VALUES (3, 1, 'c'), (4, 4, 'new'), (4, 5, 'again') ON CONFLICT (id) DO NOTHING RETURNING id;
--> (4,)
INSERT INTO t VALUES (3, 1, 'c') ON CONFLICT (id) DO UPDATE SET b = t.b || excluded.b, a = excluded.a RETURNING *;
--> (3, 1, 'threec')
INSERT INTO t VALUES (3, 1, 'c') ON CONFLICT (id) DO UPDATE SET b = 'never' WHERE t.a > 100;
--> 0 rows
INSERT INTO t VALUES (70, 1, 'c') ON CONFLICT (a) DO UPDATE SET id = excluded.id;
--> 1 rows
INSERT INTO t VALUES (71, 1, 'c'), (72, 1, 'c') ON CONFLICT (a) DO UPDATE SET id = excluded.id;
--> CardinalityViolation 21000: ON CONFLICT DO UPDATE command cannot affect row a second time
INSERT INTO t VALUES (80, 81, 'c'), (80, 82, 'c') ON CONFLICT (id) DO UPDATE SET b = 'x';
--> CardinalityViolation 21000: ON CONFLICT DO UPDATE command cannot affect row a second time
INSERT INTO t VALUES (4, 1, 'c') ON CONFLICT (id) DO UPDATE SET a = excluded.a;
--> UniqueViolation 23505: duplicate key value violates unique constraint "t_a_key"
-->   Key (a)=(1) already exists.
INSERT INTO t VALUES (4, 1, 'c') ON CONFLICT (b) DO NOTHING;
--> InvalidColumnReference 42P10: there is no unique or exclusion constraint matching the ON CONFLICT specification
INSERT INTO t VALUES (4, 1, 'c') ON CONFLICT ON CONSTRAINT nope DO NOTHING;
--> UndefinedObject 42704: constraint "nope" for table "t" does not exist
INSERT INTO t VALUES (4, 33, 'c') ON CONFLICT ON CONSTRAINT t_pkey DO UPDATE SET a = excluded.a;
--> 1 rows
INSERT INTO t VALUES (4, 1, 'c') ON CONFLICT DO UPDATE SET a = 1;
--> SQLSyntaxError 42601: ON CONFLICT DO UPDATE requires inference specification or constraint name
INSERT INTO t VALUES (4, 1, 'c') ON CONFLICT (id) DO UPDATE SET (a, b) = (t.a + 1, DEFAULT);
--> 1 rows
ROWS t;
--> (12, 111, 'd!')
--> (13, 121, 'd!')
--> (14, 8, 'd')
--> (4, 34, 'd')
--> (70, 1, 'threec')
CREATE TABLE g AS SELECT id, b AS name FROM t WHERE id < 70;
ROWS g;
--> (12, 'd!')
--> (13, 'd!')
--> (14, 'd')
--> (4, 'd')
CREATE TABLE g AS SELECT 1;
--> DuplicateTable 42P07: relation "g" already exists
CREATE TABLE h (x, y) AS SELECT 1, 2 WITH NO DATA;
ROWS h;
CREATE VIEW v AS SELECT * FROM t WHERE id > 3;
SELECT * FROM v ORDER BY id;
--> (4, 34, 'd')
--> (12, 111, 'd!')
--> (13, 121, 'd!')
--> (14, 8, 'd')
--> (70, 1, 'threec')
ALTER TABLE t ADD COLUMN extra INT;
SELECT * FROM v ORDER BY id;
--> (4, 34, 'd')
--> (12, 111, 'd!')
--> (13, 121, 'd!')
--> (14, 8, 'd')
--> (70, 1, 'threec')
CREATE VIEW v AS SELECT 1;
--> DuplicateTable 42P07: relation "v" already exists
CREATE OR REPLACE VIEW v AS SELECT id FROM t;
--> InvalidTableDefinition 42P16: cannot drop columns from view
CREATE VIEW vv AS SELECT id FROM v;
INSERT INTO v VALUES (1);
--> WrongObjectType 42809: cannot insert into view "v"
ALTER TABLE t DROP COLUMN b;
--> DependentObjectsStillExist 2BP01: cannot drop column b of table t because other objects depend on it
-->   view v depends on column b of table t
ALTER TABLE t RENAME COLUMN b TO bb;
ALTER TABLE t RENAME TO tt;
SELECT id FROM vv ORDER BY id;
--> (4,)
--> (12,)
--> (13,)
--> (14,)
--> (70,)
ALTER VIEW v RENAME TO w;
SELECT id FROM vv ORDER BY id;
--> (4,)
--> (12,)
--> (13,)
--> (14,)
--> (70,)
DROP TABLE tt;
--> DependentObjectsStillExist 2BP01: cannot drop table tt because other objects depend on it
-->   view vv depends on table tt
-->   view w depends on table tt
DROP VIEW w;
--> DependentObjectsStillExist 2BP01: cannot drop view w because other objects depend on it
-->   view vv depends on view w
DROP TABLE tt, f CASCADE;
SELECT * FROM vv;
--> UndefinedTable 42P01: relation "vv" does not exist
CREATE TABLE a (id INT PRIMARY KEY);
CREATE TABLE b (id INT REFERENCES a);
INSERT INTO a VALUES (1);
--> 1 rows
INSERT INTO b VALUES (1);
--> 1 rows
TRUNCATE a;
--> TruncateReferenced 0A000: cannot truncate a table referenced in a foreign key constraint
-->   Table "b" references "a".
TRUNCATE a CASCADE;
ROWS b;
INSERT INTO a SELECT 5 WHERE FALSE;
--> 0 rows
UPDATE a SET id = 1 WHERE FALSE;
--> 0 rows
DELETE FROM a;
--> 0 rows
