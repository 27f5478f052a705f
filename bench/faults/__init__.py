"""Faults injected into a running job, seeded and bounded in time: ``make bench-faults RUNS=n`` (bench/README.md)."""
