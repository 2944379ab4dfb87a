"""The declarations of one function: signature, annotations as strings, relations in them.

May import `annotations` and `type_kinds`.
"""
