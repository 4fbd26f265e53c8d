"""Measurements, apart from tests: `make bench`. Results are written down in docs/benchmarks.md."""
