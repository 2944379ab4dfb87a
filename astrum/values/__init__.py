"""Values as bytes: the codec, parts of encoded values, compression, big values by reference.

Pure: no clock, network or event loop. May import `planning`, `data_transport` and `errors`.
"""

from astrum.data_transport.absent import ABSENT, fill_absent
from astrum.values.arguments import pack_arguments, unpack_arguments
from astrum.values.codec import Codec
from astrum.values.compression import inflate, shrink
from astrum.values.lists import EncodedList, join, list_length, split
from astrum.values.named_types import Extension
from astrum.values.opaque import Opaque
from astrum.values.projection import UnprojectableError, project
from astrum.values.references import Blob, BlobRef, encode_reference, reference_of

__all__ = [
    "ABSENT",
    "Blob",
    "BlobRef",
    "Codec",
    "EncodedList",
    "Extension",
    "Opaque",
    "UnprojectableError",
    "encode_reference",
    "fill_absent",
    "inflate",
    "join",
    "list_length",
    "pack_arguments",
    "project",
    "reference_of",
    "shrink",
    "split",
    "unpack_arguments",
]
