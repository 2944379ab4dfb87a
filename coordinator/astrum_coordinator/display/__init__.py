"""Shows plans and runs to people on a terminal.

Asks no server. May import `astrum`.
"""
