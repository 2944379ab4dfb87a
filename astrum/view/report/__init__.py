"""A run as columns of numbers, from which pages, exports and chronicles are made. Pure.

`columns` is the whole, the other modules are its parts and its forms.
May import `machine`, `errors`, `failure_signature`, `snapshot` and `why`.
"""
