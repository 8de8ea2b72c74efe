"""Readers, one file per published layout; each returns an ``ImageSet``."""
