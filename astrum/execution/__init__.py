"""Running attempts in this process: one attempt, its threads, the in-process host of a run.

Knows no Redis. May import `protocol`, `machine`, `planning`, `values`, `data_transport`, `runtime`,
`config` and `errors`.
"""
