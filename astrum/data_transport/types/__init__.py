"""Declared types: checks of types against types and of values against types, and rebuilding.

May import the public words of `data_transport` and `errors`.
"""
