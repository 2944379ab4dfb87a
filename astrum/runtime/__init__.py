"""What every process needs: services, event loop, command line, output streams, exit codes.

May import `errors` only.
"""
