"""Clients: start published flows without their code, and wait for what becomes of the runs.

May import `astrum`, and of the coordinator `asking`, `config`, `context`, `leading`, `publishing`,
`start_time`, `stored_runs` and `submission`.
"""
