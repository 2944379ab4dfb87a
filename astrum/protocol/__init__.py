"""What coordinator and workers write for each other: messages, signatures, key names, statuses.

Pure: no clock, network or event loop. May import `values`, `machine` and everything below.
"""
