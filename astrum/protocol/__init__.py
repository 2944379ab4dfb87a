"""The protocol between coordinator and workers: messages, signatures, key names, statuses.

Pure: no clock, network or event loop. May import `values`, `machine`, `planning`, `runtime`
and `errors`.
"""
