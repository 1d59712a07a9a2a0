"""Declared below."""
