"""Event loop helpers, output streams, exit codes and garbage collection, for every process.

May import `errors` only.
"""
