"""A private server and local workers that live as long as the program that asked for them.

Knows nothing of leading runs. May import `astrum`.
"""

from astrum_coordinator.embedded.local_workers import LocalWorkers, LocalWorkerSettings
from astrum_coordinator.embedded.server import EmbeddedServer, find_server_binary

__all__ = ["EmbeddedServer", "LocalWorkerSettings", "LocalWorkers", "find_server_binary"]
