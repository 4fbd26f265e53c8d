"""Confidentiality: what is sealed in the database, who may read what, and the record of who did."""
