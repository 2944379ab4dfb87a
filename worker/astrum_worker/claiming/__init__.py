"""Claims dispatched attempts from the server when the worker may run more.

May import `astrum`, and of the worker `claim_gate`, `context`, `doubt`, `running` and `settling`.
"""
