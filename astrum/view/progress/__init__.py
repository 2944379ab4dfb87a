"""How far a run is, how fast it goes, and how long it will take. Pure.

May import `machine`, `planning`, `protocol` and `queues`.
"""
