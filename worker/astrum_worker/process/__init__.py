"""The worker as a process: its supervisor, signals, log and event loop.

May import `astrum` and all of the worker.
"""
