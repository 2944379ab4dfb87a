"""The worker as a process: its supervisor, signals, log and event loop.

May import `astrum`, and of the worker `app`, `config`, `health`, `health_link`, `running`,
`supervisor_link` and `upkeep`.
"""
