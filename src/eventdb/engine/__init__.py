"""Where SQL and storage meet: databases, sessions, transactions and the one commit path.

    database      a database in this process: its log, its head, who shares it
    commit        group commit: check, re-apply, append, publish
    transaction   one transaction's own work, savepoints
    conflicts     what was read and written, and whether later commits touch it
    sequences     values and row ids given out, shared by the transactions of a process
    session       a connection's side: settings, the current transaction, statements
    statements    texts parsed once and prepared for a schema and parameter types
    execution     the circumstances of one run of a plan
    temporal      moments in system time
"""
