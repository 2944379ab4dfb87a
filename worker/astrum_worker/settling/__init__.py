"""Records at the server how attempts ended.

May import `astrum`, and of the worker `claim_gate` and `context`.
"""
