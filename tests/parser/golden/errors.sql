SELECT left, right FROM t
----
42601 syntax error at or near "left"
HINT: LEFT is a reserved word; as a name it is written in double quotes.
LINE 1: SELECT left, right FROM t
               ^

SELEC 1
----
42601 syntax error at or near "SELEC"
LINE 1: SELEC 1
        ^

SELECT
----
42601 syntax error at end of input
LINE 1: SELECT
              ^

SELECT a FROM
----
42601 syntax error at end of input
LINE 1: SELECT a FROM
                     ^

SELECT FROM t
----
42601 syntax error at or near "FROM"
LINE 1: SELECT FROM t
               ^

SELECT a FROM t WHERE
----
42601 syntax error at end of input
LINE 1: SELECT a FROM t WHERE
                             ^

SELECT a b c FROM t
----
42601 syntax error at or near "c"
LINE 1: SELECT a b c FROM t
                   ^

SELECT a, FROM t
----
42601 syntax error at or near "FROM"
LINE 1: SELECT a, FROM t
                  ^

SELECT (1
----
42601 syntax error at end of input
HINT: A parenthesis is not closed.
LINE 1: SELECT (1
                 ^

SELECT ((a + 1) FROM t
----
42601 syntax error at or near "FROM"
HINT: A parenthesis is not closed.
LINE 1: SELECT ((a + 1) FROM t
                        ^

SELECT 1)
----
42601 syntax error at or near ")"
HINT: There is no opening parenthesis to this one.
LINE 1: SELECT 1)
                ^

SELECT 'abc
----
42601 unterminated quoted string
HINT: A quote inside a string is doubled: 'it''s'.
LINE 1: SELECT 'abc
               ^

SELECT "abc
----
42601 unterminated quoted identifier
HINT: A double quote inside a quoted name is doubled: "a""b".
LINE 1: SELECT "abc
               ^

SELECT ""
----
42601 zero-length delimited identifier at or near """"
LINE 1: SELECT ""
               ^

SELECT 1 /* open /* nested */
----
42601 unterminated /* comment
HINT: Comments nest: every /* needs its own */.
LINE 1: SELECT 1 /* open /* nested */
                 ^

SELECT `a` FROM t
----
42601 syntax error at or near "`"
HINT: Names are quoted with double quotes, as in "name".
LINE 1: SELECT `a` FROM t
               ^

SELECT $1
----
42601 syntax error at or near "$1"
HINT: Parameters are written ? or :name.
LINE 1: SELECT $1
               ^

SELECT $$abc
----
42601 unterminated dollar-quoted string at or near "$$"
LINE 1: SELECT $$abc
               ^

SELECT a[1] FROM t
----
42601 syntax error at or near "["
HINT: Arrays are not available.
LINE 1: SELECT a[1] FROM t
                ^

SELECT @x
----
42601 syntax error at or near "@x"
HINT: Parameters are written ? or :name.
LINE 1: SELECT @x
               ^

SELECT a == b
----
42601 syntax error at or near "=="
HINT: Equality is written =.
LINE 1: SELECT a == b
                 ^

SELECT f(a => 1)
----
42601 syntax error at or near "=>"
HINT: Arguments by name are not available.
LINE 1: SELECT f(a => 1)
                   ^

SELECT 1x
----
42601 trailing junk after numeric literal at or near "1x"
LINE 1: SELECT 1x
               ^

SELECT 0x
----
42601 trailing junk after numeric literal at or near "0x"
LINE 1: SELECT 0x
               ^

SELECT 1__0
----
42601 trailing junk after numeric literal at or near "1__0"
LINE 1: SELECT 1__0
               ^

SELECT 1e999999999999
----
22003 the number 1e999999999999 is out of range
LINE 1: SELECT 1e999999999999
               ^

SELECT X'0'
----
42601 a blob X'…' needs an even number of hexadecimal digits
LINE 1: SELECT X'0'
               ^

SELECT B'01'
----
0A000 bit strings B'…' are not supported
LINE 1: SELECT B'01'
               ^

SELECT U&'\0041'
----
0A000 Unicode escapes U&'…' are not supported
LINE 1: SELECT U&'\0041'
               ^

SELECT E'\u12'
----
42601 invalid escape \u in a string
HINT: Escapes are \uXXXX, \UXXXXXXXX and \xXX.
LINE 1: SELECT E'\u12'
               ^

SELECT E'\x00'
----
42601 invalid character \x00 in a string
LINE 1: SELECT E'\x00'
               ^

SELECT ?, :a
----
42601 ? and :name parameters in one text
HINT: Use one kind.
LINE 1: SELECT ?, :a
                  ^

SELECT user FROM t
----
42601 syntax error at or near "user"
HINT: USER is a reserved word; as a name it is written in double quotes.
LINE 1: SELECT user FROM t
               ^

SELECT a FROM select
----
42601 syntax error at or near "select"
HINT: SELECT is a reserved word; as a name it is written in double quotes.
LINE 1: SELECT a FROM select
                      ^

SELECT order FROM t
----
42601 syntax error at or near "order"
HINT: ORDER is a reserved word; as a name it is written in double quotes.
LINE 1: SELECT order FROM t
               ^

SELECT a.b.c.d
----
42601 improper qualified name (too many dotted names): a.b.c.d
LINE 1: SELECT a.b.c.d
               ^

SELECT * FROM a.b.c
----
42601 improper relation name (too many dotted names): a.b.c
LINE 1: SELECT * FROM a.b.c
                      ^

SELECT a < b < c
----
42601 syntax error at or near "<"
LINE 1: SELECT a < b < c
                     ^

SELECT a BETWEEN 1 OR 2
----
42601 syntax error at or near "OR"
LINE 1: SELECT a BETWEEN 1 OR 2
                           ^

SELECT a IN ()
----
42601 syntax error at or near ")"
LINE 1: SELECT a IN ()
                     ^

SELECT CASE a END
----
42601 syntax error at or near "END"
LINE 1: SELECT CASE a END
                      ^

SELECT DEFAULT
----
42601 DEFAULT is not allowed in this context
LINE 1: SELECT DEFAULT
               ^

SELECT a FROM t WHERE b = DEFAULT
----
42601 DEFAULT is not allowed in this context
LINE 1: SELECT a FROM t WHERE b = DEFAULT
                                  ^

UPDATE t SET a = 1 + DEFAULT
----
42601 DEFAULT is not allowed in this context
LINE 1: UPDATE t SET a = 1 + DEFAULT
                             ^

SELECT * FROM t LIMIT 1, 2
----
42601 syntax error at or near ","
HINT: Write LIMIT count OFFSET start.
LINE 1: SELECT * FROM t LIMIT 1, 2
                               ^

SELECT * FROM t LIMIT 1 LIMIT 2
----
42601 syntax error at or near "LIMIT"
LINE 1: SELECT * FROM t LIMIT 1 LIMIT 2
                                ^

SELECT * FROM t LIMIT 1 ORDER BY a
----
42601 syntax error at or near "ORDER"
LINE 1: SELECT * FROM t LIMIT 1 ORDER BY a
                                ^

SELECT * FROM t JOIN u
----
42601 syntax error at end of input
LINE 1: SELECT * FROM t JOIN u
                              ^

SELECT * FROM t CROSS JOIN u ON true
----
42601 syntax error at or near "ON"
LINE 1: SELECT * FROM t CROSS JOIN u ON true
                                     ^

SELECT * FROM (a CROSS JOIN b) c
----
42601 syntax error at or near "c"
LINE 1: SELECT * FROM (a CROSS JOIN b) c
                                       ^

SELECT * FROM t FOR SYSTEM_TIME
----
42601 syntax error at end of input
LINE 1: SELECT * FROM t FOR SYSTEM_TIME
                                       ^

SELECT * FROM t FOR SYSTEM_TIME AS OF
----
42601 syntax error at end of input
LINE 1: SELECT * FROM t FOR SYSTEM_TIME AS OF
                                             ^

SELECT sum(a) OVER (ORDER BY b ROWS BETWEEN CURRENT ROW AND 1 PRECEDING)
----
42P20 frame starting from CURRENT ROW cannot end at PRECEDING
LINE 1: SELECT sum(a) OVER (ORDER BY b ROWS BETWEEN CURRENT ROW AND 1 PRECEDING)
                                                    ^

SELECT sum(a) OVER (ROWS UNBOUNDED FOLLOWING)
----
42P20 frame start cannot be UNBOUNDED FOLLOWING
LINE 1: SELECT sum(a) OVER (ROWS UNBOUNDED FOLLOWING)
                                 ^

SELECT sum(a) FILTER (WHERE b) FILTER (WHERE c) FROM t
----
42601 syntax error at or near "FILTER"
LINE 1: SELECT sum(a) FILTER (WHERE b) FILTER (WHERE c) FROM t
                                       ^

SELECT sum(a) OVER w FILTER (WHERE c) FROM t
----
42601 syntax error at or near "FILTER"
LINE 1: SELECT sum(a) OVER w FILTER (WHERE c) FROM t
                             ^

SELECT INTERVAL 'x' DAY
----
22007 invalid input syntax for interval day: 'x'
LINE 1: SELECT INTERVAL 'x' DAY
                        ^

SELECT INTERVAL '1' YEAR TO DAY
----
42601 syntax error at or near "DAY"
LINE 1: SELECT INTERVAL '1' YEAR TO DAY
                                    ^

SELECT (1, 2) OVERLAPS (1)
----
42601 wrong number of parameters on a side of OVERLAPS: two are needed
LINE 1: SELECT (1, 2) OVERLAPS (1)
                      ^

INSERT INTO t
----
42601 syntax error at end of input
LINE 1: INSERT INTO t
                     ^

INSERT INTO t VALUES (1,)
----
42601 syntax error at or near ")"
LINE 1: INSERT INTO t VALUES (1,)
                                ^

INSERT INTO t (a) VALUES (1) ON CONFLICT DO UPDATE SET a = 1
----
42601 ON CONFLICT DO UPDATE requires inference specification or constraint name
HINT: For example, ON CONFLICT (column_name).
LINE 1: INSERT INTO t (a) VALUES (1) ON CONFLICT DO UPDATE SET a = 1
                                     ^

UPDATE t SET
----
42601 syntax error at end of input
LINE 1: UPDATE t SET
                    ^

UPDATE t SET a.b = 1
----
42601 syntax error at or near "."
LINE 1: UPDATE t SET a.b = 1
                      ^

DELETE t
----
42601 syntax error at or near "t"
LINE 1: DELETE t
               ^

MERGE INTO t USING s ON true WHEN MATCHED THEN INSERT VALUES (1)
----
42601 syntax error at or near "INSERT"
LINE 1: MERGE INTO t USING s ON true WHEN MATCHED THEN INSERT VALUES (1)
                                                       ^

MERGE INTO t USING s ON true WHEN NOT MATCHED BY SOURCE THEN INSERT DEFAULT VALUES
----
42601 syntax error at or near "INSERT"
LINE 1: MERGE INTO t USING s ON true WHEN NOT MATCHED BY SOURCE THEN INSERT DEFAULT VALUES
                                                                     ^

CREATE TABLE ()
----
42601 syntax error at or near "("
LINE 1: CREATE TABLE ()
                     ^

CREATE TABLE t (a)
----
42601 syntax error at end of input
LINE 1: CREATE TABLE t (a)
                          ^

CREATE TABLE t (a INT,)
----
42601 syntax error at or near ")"
LINE 1: CREATE TABLE t (a INT,)
                              ^

CREATE TABLE t (a INT b)
----
42601 syntax error at or near "b"
LINE 1: CREATE TABLE t (a INT b)
                              ^

CREATE TABLE t (a INT CONSTRAINT x DEFAULT 1)
----
42601 syntax error at or near "DEFAULT"
HINT: NOT NULL, UNIQUE, PRIMARY KEY, CHECK and REFERENCES can be named.
LINE 1: CREATE TABLE t (a INT CONSTRAINT x DEFAULT 1)
                                           ^

CREATE TABLE t (a INT REFERENCES u MATCH PARTIAL)
----
0A000 MATCH PARTIAL is not supported
LINE 1: CREATE TABLE t (a INT REFERENCES u MATCH PARTIAL)
                                           ^

CREATE TABLE t (a INT REFERENCES u ON UPDATE CASCADE ON UPDATE CASCADE)
----
42601 syntax error at or near "ON"
LINE 1: CREATE TABLE t (a INT REFERENCES u ON UPDATE CASCADE ON UPDATE CASCADE)
                                                             ^

CREATE TABLE t (a INT UNIQUE NOT DEFERRABLE INITIALLY DEFERRED)
----
42601 constraint declared INITIALLY DEFERRED must be DEFERRABLE
LINE 1: CREATE TABLE t (a INT UNIQUE NOT DEFERRABLE INITIALLY DEFERRED)
                                     ^

CREATE VIEW v AS SELECT 1 WITH CHECK OPTION
----
0A000 WITH CHECK OPTION is not supported
LINE 1: CREATE VIEW v AS SELECT 1 WITH CHECK OPTION
                                  ^

CREATE SEQUENCE s START 1 START 2
----
42601 syntax error at or near "START"
HINT: A sequence option may be said once.
LINE 1: CREATE SEQUENCE s START 1 START 2
                                  ^

CREATE INDEX i ON t ()
----
42601 syntax error at or near ")"
LINE 1: CREATE INDEX i ON t ()
                             ^

DROP t
----
42601 syntax error at or near "t"
LINE 1: DROP t
             ^

ALTER TABLE t
----
42601 syntax error at end of input
LINE 1: ALTER TABLE t
                     ^

ALTER TABLE t RENAME a TO b, RENAME b TO c
----
42601 syntax error at or near ","
LINE 1: ALTER TABLE t RENAME a TO b, RENAME b TO c
                                   ^

BEGIN READ ONLY READ WRITE
----
42601 syntax error at or near "READ"
HINT: A transaction mode may be said once.
LINE 1: BEGIN READ ONLY READ WRITE
                        ^

EXPLAIN (VERBOSE) SELECT 1
----
0A000 EXPLAIN option VERBOSE is not supported
LINE 1: EXPLAIN (VERBOSE) SELECT 1
                 ^

GRANT SELECT ON t TO u
----
42601 syntax error at or near "GRANT"
LINE 1: GRANT SELECT ON t TO u
        ^

SELECT 1; SELECT 2 3; SELECT 4
----
42601 syntax error at or near "3"
LINE 1: SELECT 1; SELECT 2 3; SELECT 4
                           ^

SELECT a
  FROM t
  WHRE b
----
42601 syntax error at or near "b"
LINE 3:   WHRE b
               ^
