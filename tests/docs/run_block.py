"""Runs a file as a program in which ``await`` is allowed at the top level, as in a notebook."""

import ast
import asyncio
import inspect
import sys
from pathlib import Path

path = sys.argv[1]
sys.path.insert(0, str(Path.cwd()))
code = compile(
    Path(path).read_text(encoding="utf-8"), path, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
)
namespace = {"__name__": "__main__", "__file__": path}
if code.co_flags & inspect.CO_COROUTINE:
    asyncio.run(eval(code, namespace))
else:
    exec(code, namespace)
