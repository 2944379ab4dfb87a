"""Measurements of routing, fairness and versions: two checkouts beside each other in one run."""
