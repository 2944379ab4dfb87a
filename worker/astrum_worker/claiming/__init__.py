"""Taking dispatched attempts from the server, and when a worker may.

May import `astrum`, and of the worker `config` and `running`.
"""
