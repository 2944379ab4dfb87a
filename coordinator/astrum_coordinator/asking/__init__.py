"""Answers about runs and requests of operators: reports, waiting for an end, pauses, drains.

May import `astrum`, and of the coordinator `context`, `fetching`, `leading`, `scheduling` and
`stored_runs`.
"""
