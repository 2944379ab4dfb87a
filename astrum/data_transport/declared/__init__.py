"""The declarations of one function: signature, annotations as strings, relations in them.

May import `annotations`, `locate` and `errors` only.
"""
