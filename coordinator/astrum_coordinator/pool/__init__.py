"""The workers as a coordinator sees them: who lives, what is stuck, settling for the dead.

May import `astrum`, and of the coordinator `config` and `leading`.
"""
