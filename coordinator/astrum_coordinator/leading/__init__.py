"""Leading runs: adoption, the leader of one run, dispatching, the journal, reports.

May import `astrum`, and of the coordinator `context`, `fetching`, `scheduling` and
`stored_runs`.
"""
