"""Values as bytes: the codec, parts of encoded values, compression, big values by reference.

Pure: no clock, network or event loop. May import `planning`, `data_transport` and `errors`.
"""

from astrum.values.arguments import pack_arguments, unpack_arguments
from astrum.values.codec import Codec
from astrum.values.compression import inflate, shrink
from astrum.values.named_types import Extension
from astrum.values.opaque import Opaque
from astrum.values.projection import Items, UnprojectableError, project, split
from astrum.values.references import Blob, BlobRef, encode_reference, reference_of

__all__ = [
    "Blob",
    "BlobRef",
    "Codec",
    "Extension",
    "Items",
    "Opaque",
    "UnprojectableError",
    "encode_reference",
    "inflate",
    "pack_arguments",
    "project",
    "reference_of",
    "shrink",
    "split",
    "unpack_arguments",
]
