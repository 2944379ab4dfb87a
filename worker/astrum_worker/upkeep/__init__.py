"""Checks beside the work: lease, reconciliation, hints, hung tasks, drains, replacement.

May import `astrum`, and of the worker `claim_gate`, `config`, `context`, `claiming`, `running`,
`settling` and `supervisor_link`.
"""
