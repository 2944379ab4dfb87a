"""What one function says about its arguments: signatures, annotations as text, relations in them.

May import `annotations`, `locate` and `errors` only.
"""
