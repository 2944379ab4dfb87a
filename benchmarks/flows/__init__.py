"""The flows that Astrum is measured with; workers import them. ``BENCH_TASKS`` is their size."""
