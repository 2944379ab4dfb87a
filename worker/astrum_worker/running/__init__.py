"""Runs claimed attempts: from the message to the end, in the slots of the worker.

May import `astrum`, and of the worker `context` and `settling`.
"""
