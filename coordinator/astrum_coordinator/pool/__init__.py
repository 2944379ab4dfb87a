"""The workers of the pool: which are live, which are stuck, settling for those that died.

May import `astrum`, and of the coordinator `context`, `leading` and `scheduling`.
"""
