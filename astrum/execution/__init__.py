"""Running attempts in this process: one attempt, its threads, the in-process host of a run.

May import `machine`, `planning`, `values`, `data_transport` and `runtime`; knows no Redis.
"""
