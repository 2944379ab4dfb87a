"""Why a run or a task is as it is: a code, a sentence, and what to type. Pure.

`explain_run` of `run_why` and `explain` begin; `moment` is what was read of the server, `look` what
follows from it. May import `machine`, `planning`, `protocol`, `errors`, `runtime`,
`failure_signature`, `run_list` and `task_log`.
"""
