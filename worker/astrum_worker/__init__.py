"""The worker of Astrum: claims dispatched attempts, runs them, and records how they ended.

`app` and `parts` compose it; each folder does one part. May import `astrum`.
"""
