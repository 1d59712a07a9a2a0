SELECT a OR b AND NOT c = d + e * -f ^ g
----
SELECT a OR b AND NOT c = d + e * -f ^ g

SELECT (a OR b) AND (NOT c) = ((d + e) * f)
----
SELECT (a OR b) AND (NOT c) = (d + e) * f

SELECT NOT NOT a, NOT a IS NULL, (NOT a) IS NULL
----
SELECT NOT NOT a, NOT a IS NULL, (NOT a) IS NULL

SELECT a = b IS TRUE, (a < b) = c, a = (b = c)
----
SELECT a = b IS TRUE, (a < b) = c, a = (b = c)

SELECT a - b - c, a - (b - c), a || b || c, a || (b || c)
----
SELECT a - b - c, a - (b - c), a || b || c, a || (b || c)

SELECT 2 ^ 3 ^ 2, -2 ^ 2, -(-a), - -1, +a, -a, ~a, ~a + 1, (~a) + 1
----
SELECT 2 ^ 3 ^ 2, -2 ^ 2, - -a, 1, +a, -a, ~a, ~a + 1, (~a) + 1

SELECT -1, - 1.5, 1 - -1, -9223372036854775808, 1e5, .5, 5., 1_000, 0x1F, 0o17, 0b101, 1.5e-3
----
SELECT -1, -1.5, 1 - -1, -9223372036854775808, 1E+5, 0.5, 5., 1000, 31, 15, 5, 0.0015

SELECT a % b / c * d, a & b | c # d << 1 >> 2
----
SELECT a % b / c * d, a & b | c # d << 1 >> 2

SELECT a -> 'b' ->> 'c', a #> 'x' #>> 'y', a @> b, a <@ b
----
SELECT a -> 'b' ->> 'c', a #> 'x' #>> 'y', a @> b, a <@ b

SELECT a ~ 'x', a !~ 'x', a ~* 'x', a !~* 'x', a->>'x' = 'y'
----
SELECT a ~ 'x', a !~ 'x', a ~* 'x', a !~* 'x', a ->> 'x' = 'y'

SELECT a <> b, a != b, a <= b, a >= b, a<-1, a=-1
----
SELECT a <> b, a <> b, a <= b, a >= b, a < -1, a = -1

SELECT a LIKE 'x%', a NOT LIKE b || '%' ESCAPE '\', a ILIKE b, a NOT ILIKE b, a SIMILAR TO 'x', a NOT SIMILAR TO b
----
SELECT a LIKE 'x%', a NOT LIKE b || '%' ESCAPE '\', a ILIKE b, a NOT ILIKE b, a SIMILAR TO 'x', a NOT SIMILAR TO b

SELECT a BETWEEN 1 AND 2 AND b, a NOT BETWEEN SYMMETRIC x + 1 AND y, a BETWEEN ASYMMETRIC 1 AND 2 OR c
----
SELECT a BETWEEN 1 AND 2 AND b, a NOT BETWEEN SYMMETRIC x + 1 AND y, a BETWEEN 1 AND 2 OR c

SELECT a IN (1, 2), a NOT IN (SELECT 1), (a, b) IN ((1, 2), (3, 4)), (a, b) IN (SELECT 1, 2), a IN ((SELECT 1), 2)
----
SELECT a IN (1, 2), a NOT IN (SELECT 1), (a, b) IN ((1, 2), (3, 4)), (a, b) IN (SELECT 1, 2), a IN ((SELECT 1), 2)

SELECT a IS NULL, a IS NOT NULL, a ISNULL, a NOTNULL, a IS TRUE, a IS NOT FALSE, a IS UNKNOWN, a IS NOT UNKNOWN
----
SELECT a IS NULL, a IS NOT NULL, a IS NULL, a IS NOT NULL, a IS TRUE, a IS NOT FALSE, a IS UNKNOWN, a IS NOT UNKNOWN

SELECT a IS DISTINCT FROM b, a IS NOT DISTINCT FROM b AND c
----
SELECT a IS DISTINCT FROM b, a IS NOT DISTINCT FROM b AND c

SELECT a = ANY (SELECT 1), a <> ALL (SELECT 1), a < SOME (SELECT 1)
----
SELECT a = ANY (SELECT 1), a <> ALL (SELECT 1), a < ANY (SELECT 1)

SELECT CASE WHEN a THEN 1 WHEN b THEN 2 ELSE 3 END, CASE a WHEN 1 THEN 'x' END
----
SELECT CASE WHEN a THEN 1 WHEN b THEN 2 ELSE 3 END, CASE a WHEN 1 THEN 'x' END

SELECT CAST(a AS NUMERIC(10, 2)), a::int::text, (a + b)::DOUBLE PRECISION, -1::int, '1'::character varying(3), x::timestamp(3) with time zone
----
SELECT CAST(a AS numeric(10, 2)), CAST(CAST(a AS int) AS text), CAST(a + b AS double precision), -CAST(1 AS int), CAST('1' AS character varying(3)), CAST(x AS timestamp(3) with time zone)

SELECT a::TIMESTAMPTZ, a::INT8, a::FLOAT(24), a::timestamp without time zone, a::time(0) with time zone, a::numeric(5, -2), a::interval day to second
----
SELECT CAST(a AS timestamptz), CAST(a AS int8), CAST(a AS float(24)), CAST(a AS timestamp without time zone), CAST(a AS time(0) with time zone), CAST(a AS numeric(5, -2)), CAST(a AS interval day to second)

SELECT DATE '2020-01-01', TIME '10:00', TIMESTAMP '2020-01-01 10:00', TIMESTAMP WITH TIME ZONE '2020-01-01 00:00+00', TIMESTAMP(3) '2020-01-01', TIMESTAMP(3) WITH TIME ZONE '2020-01-01', UUID 'x', JSON '{}', DOUBLE PRECISION '1.5'
----
SELECT CAST('2020-01-01' AS date), CAST('10:00' AS time), CAST('2020-01-01 10:00' AS timestamp), CAST('2020-01-01 00:00+00' AS timestamp with time zone), CAST('2020-01-01' AS timestamp(3)), CAST('2020-01-01' AS timestamp(3) with time zone), CAST('x' AS uuid), CAST('{}' AS json), CAST('1.5' AS double precision)

SELECT INTERVAL '1 day', INTERVAL '1' DAY, INTERVAL '1-2' YEAR TO MONTH, INTERVAL '-3' HOUR, INTERVAL '1 2:03:04' DAY TO SECOND, INTERVAL '1.5' SECOND, INTERVAL(3) '1 second', INTERVAL '2 days' DAY, INTERVAL '10:20' MINUTE TO SECOND
----
SELECT CAST('1 day' AS interval), CAST('1 day' AS interval), CAST('1 year 2 month' AS interval), CAST('-3 hour' AS interval), CAST('1 2:03:04' AS interval), CAST('1.5 second' AS interval), CAST('1 second' AS interval(3)), CAST('2 days' AS interval), CAST('10 minute 20 second' AS interval)

SELECT 'it''s', E'a\nb\t\\\'\x41\u00e9\101', X'00ff', $$dollar $ 'quoted'$$, $tag$a $$ b$tag$, 'two'
  'parts', ''
----
SELECT 'it''s', 'a
b	\''AéA', X'00ff', 'dollar $ ''quoted''', 'a $$ b', 'twoparts', ''

SELECT TRUE, false, NULL, ?, DEFAULT_x
----
SELECT TRUE, FALSE, NULL, ?, default_x

SELECT :a, :b, :a
----
SELECT :a, :b, :a

SELECT (1, 2) = (3, 4), ROW(1), ROW(1, 2), ROW(), ((1, 2)), (SELECT 1, 2) = (1, 2)
----
SELECT (1, 2) = (3, 4), ROW(1), (1, 2), ROW(), (1, 2), (SELECT 1, 2) = (1, 2)

SELECT EXTRACT(year FROM d), EXTRACT('epoch' FROM d - e), EXTRACT(DOW FROM now())
----
SELECT EXTRACT("year" FROM d), EXTRACT(epoch FROM d - e), EXTRACT(dow FROM now())

SELECT SUBSTRING(a FROM 2), SUBSTRING(a FROM 2 FOR 3), SUBSTRING(a FOR 3), SUBSTRING(a, 2, 3)
----
SELECT substring(a, 2), substring(a, 2, 3), substring(a, 1, 3), substring(a, 2, 3)

SELECT POSITION('a' IN b), TRIM(a), TRIM(LEADING FROM a), TRIM(TRAILING 'x' FROM a), TRIM(BOTH 'x' FROM a), TRIM('x' FROM a), TRIM(a, 'x')
----
SELECT POSITION('a' IN b), btrim(a), ltrim(a), rtrim(a, 'x'), btrim(a, 'x'), btrim(a, 'x'), btrim(a, 'x')

SELECT OVERLAY(a PLACING b FROM 2), OVERLAY(a PLACING b FROM 2 FOR 3)
----
SELECT overlay(a, b, 2), overlay(a, b, 2, 3)

SELECT CURRENT_DATE, CURRENT_TIMESTAMP, current_timestamp(3), LOCALTIME, CURRENT_USER, current_schema()
----
SELECT CURRENT_DATE, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP(3), LOCALTIME, CURRENT_USER, CURRENT_SCHEMA

SELECT a AT TIME ZONE 'UTC', a AT TIME ZONE 'UTC' + b, now() AT TIME ZONE tz::text
----
SELECT timezone('UTC', a), timezone('UTC', a) + b, timezone(CAST(tz AS text), now())

SELECT a COLLATE "C", a || b COLLATE "de_DE" < c
----
SELECT a COLLATE "C", a || b COLLATE "de_DE" < c

SELECT coalesce(a, b), nullif(a, b), greatest(a, b), least(a, b)
----
SELECT coalesce(a, b), nullif(a, b), greatest(a, b), least(a, b)

SELECT (a, b) OVERLAPS (c, d)
----
SELECT "overlaps"(a, b, c, d)
