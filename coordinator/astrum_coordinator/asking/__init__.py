"""Answers about runs: reports, where unfinished tasks stand, waiting for an end.

May import `astrum`, and of the coordinator `leading` and `pool`.
"""
