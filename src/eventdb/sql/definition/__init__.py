"""Data definition: from a statement and the catalog to new schema objects and the events that create them."""
