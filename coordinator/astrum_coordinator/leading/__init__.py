"""Leading runs: adoption, the leader of one run, dispatching, the journal, reports.

May import `astrum`, and of the coordinator `context`, `scheduling` and
`stored_runs`.
"""
