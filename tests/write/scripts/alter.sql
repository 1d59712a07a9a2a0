-- ALTER TABLE, with rows in it.
CREATE TABLE t (id INT PRIMARY KEY, a INT, b TEXT, CHECK (a > 0), UNIQUE (b));
INSERT INTO t VALUES (1, 5, 'x'), (2, 6, 'y');
--> 2 rows
ALTER TABLE t ADD COLUMN c TEXT DEFAULT 'new' NOT NULL;
ALTER TABLE t ADD COLUMN d INT NOT NULL;
--> NotNullViolation 23502: column "d" of relation "t" contains null values
ALTER TABLE t ADD COLUMN a INT;
--> DuplicateColumn 42701: column "a" of relation "t" already exists
ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT;
ALTER TABLE t ADD COLUMN g INT GENERATED ALWAYS AS (a * 2) STORED;
ALTER TABLE t ADD COLUMN s SERIAL;
ROWS t;
--> (1, 5, 'x', 'new', 10, 1)
--> (2, 6, 'y', 'new', 12, 2)
INSERT INTO t (id, a, b) VALUES (3, 7, 'z');
--> 1 rows
UPDATE t SET c = 'old' WHERE id = 1;
--> 1 rows
ROWS t;
--> (1, 5, 'x', 'old', 10, 1)
--> (2, 6, 'y', 'new', 12, 2)
--> (3, 7, 'z', 'new', 14, 3)
ALTER TABLE t ALTER COLUMN a TYPE BIGINT;
--> InvalidTableDefinition 42P16: cannot alter type of a column used by a generated column
-->   Column "a" is used by generated column "g".
ALTER TABLE t DROP COLUMN a;
--> DependentObjectsStillExist 2BP01: cannot drop column a of table t because other objects depend on it
-->   column g of table t depends on column a of table t
ALTER TABLE t DROP COLUMN g;
ALTER TABLE t ALTER COLUMN a TYPE BIGINT;
ALTER TABLE t ALTER COLUMN b TYPE INT;
--> DatatypeMismatch 42804: column "b" cannot be cast automatically to type integer
ALTER TABLE t RENAME COLUMN a TO aa;
INSERT INTO t (id, aa) VALUES (4, -1);
--> CheckViolation 23514: new row for relation "t" violates check constraint "t_a_check"
-->   Failing row contains (4, -1, null, new, 4).
ALTER TABLE t RENAME CONSTRAINT t_a_check TO positive;
INSERT INTO t (id, aa) VALUES (4, -1);
--> CheckViolation 23514: new row for relation "t" violates check constraint "positive"
-->   Failing row contains (4, -1, null, new, 4).
ALTER TABLE t RENAME TO u;
INSERT INTO u (id, aa) VALUES (4, -1);
--> CheckViolation 23514: new row for relation "u" violates check constraint "positive"
-->   Failing row contains (4, -1, null, new, 4).
ALTER TABLE u ALTER COLUMN b SET NOT NULL;
ALTER TABLE u ALTER COLUMN b SET DEFAULT 'dflt';
INSERT INTO u (id, aa) VALUES (4, 1);
--> 1 rows
ALTER TABLE u ALTER COLUMN b DROP DEFAULT;
INSERT INTO u (id, aa) VALUES (5, 1);
--> NotNullViolation 23502: null value in column "b" of relation "u" violates not-null constraint
-->   Failing row contains (5, 1, null, new, 5).
ALTER TABLE u ALTER COLUMN b DROP NOT NULL;
INSERT INTO u (id, aa) VALUES (5, 1);
--> 1 rows
ALTER TABLE u ADD CONSTRAINT few CHECK (aa < 5);
--> CheckViolation 23514: check constraint "few" of relation "u" is violated by some row
ALTER TABLE u ADD CONSTRAINT many CHECK (aa < 50);
ALTER TABLE u ADD UNIQUE (aa);
--> UniqueViolation 23505: could not create unique index "u_aa_key"
-->   Key (aa)=(1) is duplicated.
ALTER TABLE u ADD FOREIGN KEY (aa) REFERENCES u;
--> ForeignKeyViolation 23503: insert or update on table "u" violates foreign key constraint "u_aa_fkey"
-->   Key (aa)=(6) is not present in table "u".
ALTER TABLE u ADD PRIMARY KEY (aa);
--> InvalidTableDefinition 42P16: multiple primary keys for table "u" are not allowed
ALTER TABLE u DROP CONSTRAINT nope;
--> UndefinedObject 42704: constraint "nope" of relation "u" does not exist
ALTER TABLE u DROP CONSTRAINT IF EXISTS nope;
ALTER TABLE u ALTER COLUMN id DROP NOT NULL;
--> InvalidTableDefinition 42P16: column "id" is in a primary key
ALTER TABLE u DROP CONSTRAINT t_pkey;
INSERT INTO u (id, aa) VALUES (5, 1);
--> 1 rows
ALTER TABLE u ADD PRIMARY KEY (id);
--> UniqueViolation 23505: could not create unique index "u_pkey"
-->   Key (id)=(5) is duplicated.
DELETE FROM u WHERE id = 5;
--> 2 rows
ALTER TABLE u ALTER COLUMN aa TYPE TEXT;
--> UndefinedFunction 42883: operator does not exist: text > integer
ALTER TABLE u DROP CONSTRAINT positive, DROP CONSTRAINT many;
ALTER TABLE u ALTER COLUMN aa TYPE TEXT;
ROWS u;
--> (1, '5', 'x', 'old', 1)
--> (2, '6', 'y', 'new', 2)
--> (3, '7', 'z', 'new', 3)
--> (4, '1', 'dflt', 'new', 4)
CREATE SCHEMA other;
ALTER TABLE u SET SCHEMA other;
INSERT INTO u (id) VALUES (1);
--> UndefinedTable 42P01: relation "u" does not exist
INSERT INTO other.u (id) VALUES (77);
--> 1 rows
ALTER SCHEMA other RENAME TO another;
INSERT INTO another.u (id) VALUES (78);
--> 1 rows
DROP SCHEMA another;
--> DependentObjectsStillExist 2BP01: cannot drop schema another because other objects depend on it
-->   table u depends on schema another
DROP SCHEMA another CASCADE;
CREATE TABLE p (id INT PRIMARY KEY);
CREATE TABLE c (p INT REFERENCES p);
DROP TABLE p;
--> DependentObjectsStillExist 2BP01: cannot drop table p because other objects depend on it
-->   constraint c_p_fkey on table c depends on table p
ALTER TABLE p DROP CONSTRAINT p_pkey;
--> DependentObjectsStillExist 2BP01: cannot drop constraint p_pkey on table p because other objects depend on it
-->   constraint c_p_fkey on table c depends on index p_pkey
ALTER TABLE p DROP CONSTRAINT p_pkey CASCADE;
INSERT INTO c VALUES (1);
--> 1 rows
ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p;
--> InvalidForeignKey 42830: there is no primary key for referenced table "p"
ALTER TABLE p ADD PRIMARY KEY (id);
ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p;
--> ForeignKeyViolation 23503: insert or update on table "c" violates foreign key constraint "c_p_fkey"
-->   Key (p)=(1) is not present in table "p".
INSERT INTO p VALUES (1);
--> 1 rows
ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p;
DROP TABLE p CASCADE;
INSERT INTO c VALUES (2);
--> 1 rows
COMMENT ON TABLE c IS 'children';
COMMENT ON COLUMN c.p IS 'parent';
COMMENT ON TABLE nope IS 'x';
--> UndefinedTable 42P01: relation "nope" does not exist
CREATE INDEX ON c (p);
CREATE UNIQUE INDEX ci ON c ((p % 2)) WHERE p < 10;
CREATE INDEX ON c (random());
--> InvalidObjectDefinition 42P17: functions in index expression must be marked IMMUTABLE
INSERT INTO c VALUES (3);
--> UniqueViolation 23505: duplicate key value violates unique constraint "ci"
-->   Key ((p % 2))=(1) already exists.
INSERT INTO c VALUES (13);
--> 1 rows
ALTER TABLE c RENAME COLUMN p TO pp;
INSERT INTO c VALUES (5);
--> UniqueViolation 23505: duplicate key value violates unique constraint "ci"
-->   Key (pp % 2)=(1) already exists.
DROP INDEX ci;
DROP INDEX ci;
--> UndefinedObject 42704: index "ci" does not exist
DROP INDEX IF EXISTS ci;
DROP TABLE c_p_idx;
--> WrongObjectType 42809: "c_p_idx" is not a table
