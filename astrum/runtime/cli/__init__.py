"""The common parts of both commands: options, logs, stop signals, and how a command ends.

May import `errors`, the rest of `runtime`, and click.
"""
