"""Shows plans and runs to people on a terminal.

May import `astrum`; asks no server.
"""
