"""What the SQL half and the storage half both speak: types, values, schema objects, events, transactions. Pure data."""
