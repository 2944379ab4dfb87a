"""Declared types: checks of types against types and of values against types, and rebuilding.

May import `declared`, `bindings`, `task_failure`, `locate`, `type_kinds`, `config` and `errors`.
"""
