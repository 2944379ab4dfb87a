"""Declared types: whether one fits another, whether a value fits, and how it is rebuilt.

May import the public words of `data_transport` and `errors`.
"""
