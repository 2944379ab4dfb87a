"""Delivering how attempts ended to the server.

May import `astrum`, and of the worker `config`.
"""
