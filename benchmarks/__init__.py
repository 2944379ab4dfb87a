"""Astrum beside the floor and its peers, on one machine, in one run."""
