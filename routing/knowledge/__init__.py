"""The knowledge base: what agents answer from, written by the units, published by the centre."""
