"""From what functions and `TaskData` declare to the bindings of each task.

May import `annotations`, `bindings`, `models`, `declared`, `types` and `errors`.
"""
