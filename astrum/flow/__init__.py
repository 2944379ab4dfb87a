"""Tasks, namespaces, registries and schedulers as users declare them, and loading of modules.

Has no code for one host. May import `execution`, `machine`, `planning`, `data_transport`,
`runtime`, `config` and `errors`.
"""
