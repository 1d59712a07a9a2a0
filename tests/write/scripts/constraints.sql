-- Row constraints and keys, with the names that PostgreSQL gives them.
CREATE TABLE t (id INT PRIMARY KEY, u TEXT UNIQUE, n INT NOT NULL DEFAULT 3 CHECK (n > 0), a INT, b INT, CHECK (a < b), UNIQUE (a, b));
INSERT INTO t VALUES (1, 'a', 1, 1, 2), (2, 'b', DEFAULT, NULL, NULL), (3, NULL, 5, NULL, 1), (4, NULL, 5, NULL, 1);
--> 4 rows
INSERT INTO t VALUES (1, 'c', 1);
--> UniqueViolation 23505: duplicate key value violates unique constraint "t_pkey"
-->   Key (id)=(1) already exists.
INSERT INTO t VALUES (9, 'a', 1);
--> UniqueViolation 23505: duplicate key value violates unique constraint "t_u_key"
-->   Key (u)=(a) already exists.
INSERT INTO t VALUES (9, 'c', 0);
--> CheckViolation 23514: new row for relation "t" violates check constraint "t_n_check"
-->   Failing row contains (9, c, 0, null, null).
INSERT INTO t VALUES (9, 'c', NULL);
--> NotNullViolation 23502: null value in column "n" of relation "t" violates not-null constraint
-->   Failing row contains (9, c, null, null, null).
INSERT INTO t VALUES (NULL, 'c', 1);
--> NotNullViolation 23502: null value in column "id" of relation "t" violates not-null constraint
-->   Failing row contains (null, c, 1, null, null).
INSERT INTO t VALUES (9, 'c', 1, 5, 5);
--> CheckViolation 23514: new row for relation "t" violates check constraint "t_check"
-->   Failing row contains (9, c, 1, 5, 5).
INSERT INTO t VALUES (9, 'c', 1, 1, 2);
--> UniqueViolation 23505: duplicate key value violates unique constraint "t_a_b_key"
-->   Key (a, b)=(1, 2) already exists.
INSERT INTO t VALUES (9, 'c', 1), (9, 'd', 2);
--> UniqueViolation 23505: duplicate key value violates unique constraint "t_pkey"
-->   Key (id)=(9) already exists.
INSERT INTO t (id, nope) VALUES (9, 1);
--> UndefinedColumn 42703: column "nope" of relation "t" does not exist
INSERT INTO t (id, id) VALUES (9, 1);
--> DuplicateColumn 42701: column "id" specified more than once
INSERT INTO t (id, u) VALUES (9);
--> SQLSyntaxError 42601: INSERT has more target columns than expressions
INSERT INTO t (id) VALUES (9, 9);
--> SQLSyntaxError 42601: INSERT has more expressions than target columns
INSERT INTO nowhere VALUES (1);
--> UndefinedTable 42P01: relation "nowhere" does not exist
INSERT INTO t VALUES (9, 'c', TRUE);
--> DatatypeMismatch 42804: column "n" is of type integer but expression is of type boolean
INSERT INTO t VALUES (3000000000);
--> NumericValueOutOfRange 22003: integer out of range: 3000000000
UPDATE t SET n = n - 1 WHERE id = 1;
--> CheckViolation 23514: new row for relation "t" violates check constraint "t_n_check"
-->   Failing row contains (1, a, 0, 1, 2).
UPDATE t SET u = 'b' WHERE id = 1;
--> UniqueViolation 23505: duplicate key value violates unique constraint "t_u_key"
-->   Key (u)=(b) already exists.
UPDATE t SET id = 2 WHERE id = 1;
--> UniqueViolation 23505: duplicate key value violates unique constraint "t_pkey"
-->   Key (id)=(2) already exists.
UPDATE t SET a = 1, a = 2 WHERE id = 1;
--> DuplicateColumn 42701: multiple assignments to same column "a"
UPDATE t SET nope = 1 WHERE id = 1;
--> UndefinedColumn 42703: column "nope" of relation "t" does not exist
UPDATE t SET (a, b) = (7, 8) WHERE id = 1;
--> 1 rows
UPDATE t SET (a, b) = (7, 8, 9) WHERE id = 1;
--> SQLSyntaxError 42601: number of columns does not match number of values
UPDATE t SET a = DEFAULT, n = DEFAULT WHERE id = 1;
--> 1 rows
UPDATE t SET n = 3 WHERE id = 1 AND u = 'zzz';
--> 0 rows
UPDATE t SET n = 3 WHERE id = 99;
--> 0 rows
UPDATE t SET id = 10 WHERE id = 1;
--> 1 rows
DELETE FROM t WHERE id = 2 AND n = 99;
--> 0 rows
DELETE FROM t WHERE id = 2;
--> 1 rows
ROWS t;
--> (10, 'a', 3, None, 8)
--> (3, None, 5, None, 1)
--> (4, None, 5, None, 1)
CREATE TABLE d (a INT CONSTRAINT pos CHECK (a > 0), CONSTRAINT pos CHECK (a < 9));
--> DuplicateObject 42710: constraint "pos" for relation "d" already exists
CREATE TABLE d (a INT, a INT);
--> DuplicateColumn 42701: column "a" specified more than once
CREATE TABLE d (a INT PRIMARY KEY, b INT PRIMARY KEY);
--> InvalidTableDefinition 42P16: multiple primary keys for table "d" are not allowed
CREATE TABLE d (a INT PRIMARY KEY, PRIMARY KEY (a));
--> InvalidTableDefinition 42P16: multiple primary keys for table "d" are not allowed
CREATE TABLE d (a INT, CHECK (a));
--> DatatypeMismatch 42804: argument of CHECK must be type boolean, not type integer
CREATE TABLE d (a INT, CHECK (z > 0));
--> UndefinedColumn 42703: column "z" does not exist
CREATE TABLE d (a INT DEFAULT 'x');
--> InvalidTextRepresentation 22P02: invalid input syntax for type integer: "x"
CREATE TABLE d (a INT REFERENCES nowhere);
--> UndefinedTable 42P01: relation "nowhere" does not exist
CREATE TABLE d (a INT REFERENCES t (n));
--> InvalidForeignKey 42830: there is no unique constraint matching given keys for referenced table "t"
CREATE TABLE d (a BYTEA REFERENCES t);
--> DatatypeMismatch 42804: foreign key constraint "d_a_fkey" cannot be implemented
-->   Key columns "a" and "id" are of incompatible types: bytea and integer.
CREATE TABLE d (a INT, FOREIGN KEY (a) REFERENCES t (a, b));
--> InvalidForeignKey 42830: number of referencing and referenced columns for foreign key disagree
CREATE TABLE d (a INT NULL NOT NULL);
--> SQLSyntaxError 42601: conflicting NULL/NOT NULL declarations for column "a" of table "d"
CREATE TABLE d (a INT DEFAULT 1 GENERATED ALWAYS AS IDENTITY);
--> SQLSyntaxError 42601: both default and identity specified for column "a"
CREATE TABLE d (a nosuchtype);
--> UndefinedObject 42704: type "nosuchtype" does not exist
CREATE TABLE t (a INT);
--> DuplicateTable 42P07: relation "t" already exists
CREATE TABLE IF NOT EXISTS t (a INT);
CREATE TABLE information_schema.t (a INT);
--> InvalidSchemaName 3F000: schema "information_schema" is reserved for the system
CREATE TABLE nowhere.t (a INT);
--> InvalidSchemaName 3F000: schema "nowhere" does not exist
CREATE TEMPORARY TABLE x (a INT);
CREATE TABLE s (a INT, b INT UNIQUE NULLS NOT DISTINCT);
INSERT INTO s VALUES (1, NULL);
--> 1 rows
INSERT INTO s VALUES (2, NULL);
--> UniqueViolation 23505: duplicate key value violates unique constraint "s_b_key"
-->   Key (b)=(null) already exists.
