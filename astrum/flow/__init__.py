"""Tasks, namespaces, registries and schedulers as users declare them, and loading of modules.

May import everything below `astrum.redis` and `astrum.execution`; no host-specific code.
"""
