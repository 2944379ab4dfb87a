"""What a worker process answers about its health: `worker_health` judges, `readings` measures.

It is asked in threads of its own, so it answers while a task blocks the event loop.

May import `astrum`, and of the worker `app`, `attempt_metrics`, `claim_gate`, `config`,
`health_link` and `parts`.
"""
