"""Needs of every process: services, event loop, output streams, exit codes; `cli` for commands.

May import `errors` only.
"""
