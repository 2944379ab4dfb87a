"""From what functions and `TaskData` declare to the bindings of each task.

May import `declared`, `types` and the public words of `data_transport`.
"""
