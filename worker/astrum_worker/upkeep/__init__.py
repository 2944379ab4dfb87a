"""Periodic checks: lease, reconciliation, revocations, blocked loops, hung tasks and threads.

May import `astrum`, and of the worker `claim_gate`, `config`, `context`, `claiming`, `running`,
`settling` and `supervisor_link`.
"""
