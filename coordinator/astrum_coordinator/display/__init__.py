"""What people see of runs on a terminal.

May import `astrum`; asks no server.
"""
