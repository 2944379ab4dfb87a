"""What a user declares: tasks, namespaces, registries, schedulers, and loading them from modules.

May import everything below `astrum.redis` and `astrum.execution`; no host-specific code.
"""
