"""Values to bytes and back, without pickle: nothing that arrives is executed or imported.

msgpack carries plain data; everything else is an extension item whose number `astrum.values.codes`
lists and whose payload is msgpack too. So a reader that does not know a type can still skip it,
and a field can be cut out of the bytes (`astrum.values.projection`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from astrum.errors import DecodeError, EncodeError
from astrum.values.builtin_types import BUILTIN_TYPES, Pack, Reader, Unpack, Writer
from astrum.values.codes import Code
from astrum.values.compression import inflate, is_compressed
from astrum.values.foreign_types import FOREIGN_NAMES, FOREIGN_READERS
from astrum.values.levels import KnownWriters, Level, TooDeepError
from astrum.values.named_types import (
    Extension,
    ExtensionType,
    NamedType,
    named_type,
    opaque,
)
from astrum.values.opaque import Opaque
from astrum.values.refusals import Refusal, nesting_error, refusal_error, text_error, type_name
from astrum.values.standard_types import STANDARD_TYPES
from astrum.values.unsent import Unsent, refuse_unsent, unsent_of

_NAMED_CODES = (Code.ENUM, Code.DATACLASS, Code.NAMED_TUPLE, Code.MODEL, Code.EXTENSION)


class Codec:
    """Encodes and decodes values of plain types, of known types and of declared types.

    Guarantees: what is decoded equals what was encoded and has the same types throughout, or
    encoding raises. References are not kept: shared parts become copies.

    ``types`` are the enums, dataclasses, NamedTuples and pydantic models that may travel; other
    classes among them are ignored. ``extensions`` are types with functions of their own.
    Instances may be used by many threads at once.

    >>> codec = Codec()
    >>> codec.decode(codec.encode({"at": (1, 2)}))
    {'at': (1, 2)}
    """

    def __init__(self, types: Iterable[type] = (), *, extensions: Iterable[Extension] = ()) -> None:
        carriers = {**BUILTIN_TYPES, **STANDARD_TYPES}
        writers: KnownWriters = {
            cls: (int(carrier.code), carrier.write) for cls, carrier in carriers.items()
        }
        readers: dict[int, Reader] = {
            int(carrier.code): carrier.read for carrier in carriers.values()
        }
        readers.update({int(code): reader for code, reader in FOREIGN_READERS.items()})
        types = [cls for cls in types if cls not in carriers]  # those travel in one way only
        named = self._named = _Named(types, extensions)
        writers.update(named.writers())
        writers[Opaque] = (0, _refuse_opaque)
        readers.update({int(code): named.reader(code) for code in _NAMED_CODES})
        self._readers = readers
        self._is_for_reports = False
        self._top = Level(writers, readers)

    @classmethod
    def opaque(cls, types: Iterable[type] = ()) -> Codec:
        """Return a codec for a process that has some of the users' types, or none.

        It decodes values of other named types to `Opaque`, and those of ``types`` too if they do
        not fit the class here, and arrays and tables if the package for them is not installed.
        """
        codec = cls(types)
        codec._is_for_reports = True
        named = codec._named
        codec._readers.update({int(code): named.lenient_reader(code) for code in _NAMED_CODES})
        for code, reader in FOREIGN_READERS.items():
            codec._readers[int(code)] = _lenient(reader, FOREIGN_NAMES[code])
        return codec

    def encode(self, value: object, *, root: str = "result") -> bytes:
        """Return the bytes of ``value``.

        Raises `EncodeError` with the path (``root`` stands for the whole value), the type and
        the advice for what cannot travel: ``result['rows'][3].owner``.
        """
        try:
            return self._top.pack(value)
        except Refusal as refusal:
            raise refusal_error(value, refusal, root) from refusal.__cause__
        except UnicodeEncodeError:
            raise text_error(value, root) from None
        except (TooDeepError, RecursionError):
            raise nesting_error(value, root) from None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # fields may be properties that raise anything
            if "recursion limit" in str(error):
                raise nesting_error(value, root) from None
            advice = f"reading it raised {type(error).__name__}: {error}"
            raise EncodeError(root, type_name(value), advice) from error

    def decode(self, data: bytes | memoryview) -> Any:
        """Return the value; raises `DecodeError` for all bytes that `encode` did not make.

        Takes compressed values too. A result that was left out is refused, or returned as `Unsent`
        by a codec that `opaque` made. Takes at most some 140 times the size of ``data`` (or of
        what it inflates to) in memory, for any bytes.
        """
        try:
            if data[:1] == b"\xc9":
                if (unsent := unsent_of(data)) is not None:
                    return self._left_out(data, unsent)
                if is_compressed(data):
                    data = inflate(bytes(data))
            return self._top.unpack(data)
        except (DecodeError, KeyboardInterrupt):
            raise
        except BaseException as error:  # msgpack raises many kinds, and code of the user's any
            raise DecodeError(
                f"the bytes are not an encoded value: {type(error).__name__}"
            ) from None

    def _left_out(self, data: bytes | memoryview, unsent: Unsent) -> Unsent:
        if not self._is_for_reports:
            refuse_unsent(data)
        return unsent


class _Named:
    """The named types of one codec, by class and by name."""

    def __init__(self, types: Iterable[type], extensions: Iterable[Extension]) -> None:
        by_class = {cls: found for cls in types if (found := named_type(cls)) is not None}
        by_class.update({item.cls: ExtensionType(item) for item in extensions})
        self._by_class: dict[type, NamedType] = by_class
        self._by_name: dict[tuple[Code, str], list[NamedType]] = {}
        for found in by_class.values():
            self._by_name.setdefault((found.code, found.name), []).append(found)

    def writers(self) -> KnownWriters:
        return {
            cls: (int(found.code), self._writer(found)) for cls, found in self._by_class.items()
        }

    def _writer(self, found: NamedType) -> Writer:
        name, take_apart = found.name, found.take_apart

        def write(value: Any, pack: Pack) -> bytes:
            return pack([name, *take_apart(value, lambda part: _travels(part, pack))])

        def refuse(value: Any, pack: Pack) -> bytes:
            raise Refusal(value, f"two declared types are called {name}; rename one")

        return write if len(self._by_name[found.code, name]) == 1 else refuse

    def reader(self, code: Code) -> Reader:
        def read(payload: bytes, unpack: Unpack) -> Any:
            name, *parts = unpack(payload)
            return self._find(code, name).put_together(parts)

        return read

    def lenient_reader(self, code: Code) -> Reader:
        def read(payload: bytes, unpack: Unpack) -> Any:
            name, *parts = unpack(payload)
            try:
                return self._find(code, name).put_together(parts)
            except Exception:  # the class may have changed, and its code may raise anything
                return opaque(code, name, parts)

        return read

    def _find(self, code: Code, name: str) -> NamedType:
        found = self._by_name.get((code, name), ())
        if len(found) > 1:
            raise DecodeError(f"two declared types are called {name}; rename one")
        if not found:
            raise DecodeError(_unknown(code, name))
        return found[0]


def _travels(part: Any, pack: Pack) -> bool:
    """Return whether ``part`` can be encoded, for parts that the reader can do without."""
    try:
        pack(part)
    except Exception:  # as in `Codec.encode`
        return False
    return True


def _unknown(code: Code, name: str) -> str:
    if code is Code.EXTENSION:
        return f"the value holds the extension {name!r}, which is not registered in this process"
    return (
        f"the value holds a {name}, which no task of this process declares: annotate the "
        f"task's return or parameter with {str(name).rpartition('.')[2]}"
    )


def _refuse_opaque(value: Any, pack: Pack) -> bytes:
    raise Refusal(value, "this process does not have its type; decode it where the type is")


def _lenient(reader: Reader, type_name: str) -> Reader:
    def read(payload: bytes, unpack: Unpack) -> Any:
        try:
            return reader(payload, unpack)
        except DecodeError:
            return Opaque(type_name, {"size": len(payload)})

    return read
