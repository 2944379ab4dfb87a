"""Where the attempts of a run may go, and how many may be there at once.

May import `astrum`, and of the coordinator `context`.
"""
