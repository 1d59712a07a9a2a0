SELECT a + b * 2 AS x FROM t WHERE NOT a = 1 OR b IS NULL
----
Query()
  body:
    Select()
      items:
        SelectItem(alias='x')
          expression:
            Binary(operator='+')
              left:
                Name(parts=('a',))
              right:
                Binary(operator='*')
                  left:
                    Name(parts=('b',))
                  right:
                    Literal(value=2)
      from_:
        TableRef()
          name:
            QualifiedName(parts=('t',))
      where:
        Binary(operator='or')
          left:
            Unary(operator='not')
              operand:
                Binary(operator='=')
                  left:
                    Name(parts=('a',))
                  right:
                    Literal(value=1)
          right:
            IsNull()
              operand:
                Name(parts=('b',))

SELECT count(*) FILTER (WHERE a > 1) OVER (PARTITION BY b ORDER BY c DESC) FROM s.t x
----
Query()
  body:
    Select()
      items:
        SelectItem()
          expression:
            Function(name=('count',), star=True)
              filter:
                Binary(operator='>')
                  left:
                    Name(parts=('a',))
                  right:
                    Literal(value=1)
              over:
                Window()
                  partition_by:
                    Name(parts=('b',))
                  order_by:
                    OrderItem(descending=True)
                      expression:
                        Name(parts=('c',))
      from_:
        TableRef()
          name:
            QualifiedName(parts=('s', 't'))
          alias:
            Alias(name='x')

SELECT DATE '2020-01-01', CAST(? AS numeric(10, 2)), -1.5, 'x' || NULL
----
Query()
  body:
    Select()
      items:
        SelectItem()
          expression:
            Cast()
              operand:
                Literal(value='2020-01-01')
              type:
                TypeName(name='date')
        SelectItem()
          expression:
            Cast()
              operand:
                Parameter(key=0)
              type:
                TypeName(name='numeric', arguments=(10, 2))
        SelectItem()
          expression:
            Literal(value=Decimal('-1.5'))
        SelectItem()
          expression:
            Binary(operator='||')
              left:
                Literal(value='x')
              right:
                Literal(value=None)

(SELECT 1 UNION ALL SELECT 2) ORDER BY 1 LIMIT 3
----
Query()
  body:
    SetOperation(operator='union', all=True)
      left:
        Select()
          items:
            SelectItem()
              expression:
                Literal(value=1)
      right:
        Select()
          items:
            SelectItem()
              expression:
                Literal(value=2)
  order_by:
    OrderItem()
      expression:
        Literal(value=1)
  limit:
    Literal(value=3)

WITH r (n) AS (SELECT 1) SELECT * FROM a LEFT JOIN (SELECT 1) b USING (id), LATERAL f(1)
----
Query()
  body:
    Select()
      items:
        SelectItem()
          expression:
            Star()
      from_:
        Join(kind='left', using=('id',))
          left:
            TableRef()
              name:
                QualifiedName(parts=('a',))
          right:
            DerivedTable()
              query:
                Query()
                  body:
                    Select()
                      items:
                        SelectItem()
                          expression:
                            Literal(value=1)
              alias:
                Alias(name='b')
        TableFunction(lateral=True)
          function:
            Function(name=('f',))
              arguments:
                Literal(value=1)
  with_:
    With()
      tables:
        CommonTable(name='r', columns=('n',))
          query:
            Query()
              body:
                Select()
                  items:
                    SelectItem()
                      expression:
                        Literal(value=1)

SELECT * FROM t FOR SYSTEM_TIME FROM TRANSACTION 1 TO '2024-01-01' AS x
----
Query()
  body:
    Select()
      items:
        SelectItem()
          expression:
            Star()
      from_:
        TableRef()
          name:
            QualifiedName(parts=('t',))
          alias:
            Alias(name='x')
          system_time:
            SystemTime(kind='from')
              start:
                Moment(transaction=True)
                  expression:
                    Literal(value=1)
              end:
                Moment()
                  expression:
                    Literal(value='2024-01-01')

INSERT INTO t (a, b) VALUES (1, DEFAULT) ON CONFLICT (a) DO UPDATE SET b = excluded.b RETURNING *
----
Insert(columns=('a', 'b'))
  table:
    QualifiedName(parts=('t',))
  source:
    Query()
      body:
        Values()
          rows:
            Literal(value=1)
            Default()
  on_conflict:
    OnConflict(update=True)
      columns:
        Name(parts=('a',))
      assignments:
        Assignment(columns=('b',))
          value:
            Name(parts=('excluded', 'b'))
  returning:
    SelectItem()
      expression:
        Star()

UPDATE t SET a = 1, (b, c) = (2, 3) FROM u WHERE t.id = u.id
----
Update()
  table:
    QualifiedName(parts=('t',))
  assignments:
    Assignment(columns=('a',))
      value:
        Literal(value=1)
    Assignment(columns=('b', 'c'))
      value:
        RowValue()
          items:
            Literal(value=2)
            Literal(value=3)
  from_:
    TableRef()
      name:
        QualifiedName(parts=('u',))
  where:
    Binary(operator='=')
      left:
        Name(parts=('t', 'id'))
      right:
        Name(parts=('u', 'id'))

DELETE FROM t USING u
----
Delete()
  table:
    QualifiedName(parts=('t',))
  using:
    TableRef()
      name:
        QualifiedName(parts=('u',))

CREATE TABLE t (id INTEGER PRIMARY KEY, a VARCHAR(10) NOT NULL DEFAULT 'x', b INT REFERENCES u (id) ON DELETE CASCADE, CHECK (a <> ''))
----
CreateTable()
  name:
    QualifiedName(parts=('t',))
  columns:
    ColumnDefinition(name='id')
      type:
        TypeName(name='integer')
      constraints:
        UniqueConstraint(primary=True)
    ColumnDefinition(name='a')
      type:
        TypeName(name='varchar', arguments=(10,))
      constraints:
        NotNull()
        DefaultValue(text="'x'")
          expression:
            Literal(value='x')
    ColumnDefinition(name='b')
      type:
        TypeName(name='int')
      constraints:
        ForeignKeyConstraint(referenced=('id',), on_delete='CASCADE')
          table:
            QualifiedName(parts=('u',))
  constraints:
    CheckConstraint(text="a <> ''")
      expression:
        Binary(operator='<>')
          left:
            Name(parts=('a',))
          right:
            Literal(value='')

CREATE UNIQUE INDEX i ON t (lower(a) DESC, b) WHERE c > 0
----
CreateIndex(name='i', unique=True, where_text='c > 0')
  table:
    QualifiedName(parts=('t',))
  elements:
    IndexElement(text='lower(a)', descending=True)
      expression:
        Function(name=('lower',))
          arguments:
            Name(parts=('a',))
    IndexElement(text='b')
      expression:
        Name(parts=('b',))
  where:
    Binary(operator='>')
      left:
        Name(parts=('c',))
      right:
        Literal(value=0)

CREATE VIEW v AS SELECT a FROM t
----
CreateView(text='SELECT a FROM t')
  name:
    QualifiedName(parts=('v',))
  query:
    Query()
      body:
        Select()
          items:
            SelectItem()
              expression:
                Name(parts=('a',))
          from_:
            TableRef()
              name:
                QualifiedName(parts=('t',))

ALTER TABLE t ADD COLUMN a INT, ALTER b TYPE TEXT USING b::text
----
AlterTable()
  name:
    QualifiedName(parts=('t',))
  actions:
    AddColumn()
      column:
        ColumnDefinition(name='a')
          type:
            TypeName(name='int')
    AlterColumnType(name='b')
      type:
        TypeName(name='text')
      using:
        Cast()
          operand:
            Name(parts=('b',))
          type:
            TypeName(name='text')

BEGIN READ ONLY AS OF TRANSACTION 5 WITH (actor = 'ann')
----
Begin()
  modes:
    TransactionModes(read_only=True)
  as_of:
    Moment(transaction=True)
      expression:
        Literal(value=5)
  options:
    'actor'
    Literal(value='ann')

SET search_path TO a, 'b'
----
Set(name='search_path')
  values:
    Literal(value='a')
    Literal(value='b')

EXPLAIN (ANALYZE, CODE) SELECT 1
----
Explain(analyze=True, code=True)
  statement:
    Query()
      body:
        Select()
          items:
            SelectItem()
              expression:
                Literal(value=1)

FLASHBACK TABLE t TO TRANSACTION 3
----
FlashbackTable()
  tables:
    QualifiedName(parts=('t',))
  to:
    Moment(transaction=True)
      expression:
        Literal(value=3)
