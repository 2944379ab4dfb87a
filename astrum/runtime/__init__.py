"""What every process needs around its work: event loop helpers and the collector's settings.

May import `errors` only.
"""
