"""Declared types: checks of types against types and of values against types, and rebuilding.

May import `declared`, `bindings`, `locate`, `type_kinds`, `config` and `errors`.
"""
