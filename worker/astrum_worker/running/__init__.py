"""One claimed attempt from its message to its end, and the places it runs in.

May import `astrum`, and of the worker `config` and `settling`.
"""
