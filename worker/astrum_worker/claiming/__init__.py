"""Claims dispatched attempts from the server when the worker may run more.

May import `astrum`, and of the worker `config` and `running`.
"""
