"""Needs of every process: services, event loop, command line, output streams, exit codes.

May import `errors` only.
"""
