"""What keeps a worker honest: lease, reconciliation, revocations, blocked loops, hung threads.

May import `astrum` and the rest of the worker but `app` and `cli`.
"""
