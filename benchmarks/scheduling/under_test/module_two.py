"""The other of two modules that share a queue."""

from no_op_tasks import registry_of

registry = registry_of("two")
