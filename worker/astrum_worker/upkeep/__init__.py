"""Periodic checks: lease, reconciliation, revocations, blocked loops, hung tasks and threads.

May import `astrum` and the rest of the worker but `app` and `cli`.
"""
