"""Values, messages and key names as bytes: pure, without clock, network or event loop."""

from astrum.wire.arguments import pack_arguments, unpack_arguments
from astrum.wire.codec import Codec
from astrum.wire.compression import inflate, shrink
from astrum.wire.named_types import Extension
from astrum.wire.opaque import Opaque
from astrum.wire.projection import UnprojectableError, project
from astrum.wire.references import BlobRef, encode_reference, reference_of
from astrum.wire.signing import Signer

__all__ = [
    "BlobRef",
    "Codec",
    "Extension",
    "Opaque",
    "Signer",
    "UnprojectableError",
    "encode_reference",
    "inflate",
    "pack_arguments",
    "project",
    "reference_of",
    "shrink",
    "unpack_arguments",
]
