"""Answers questions with libmodulemd, through its C interface.

Reads one JSON object a line: {"texts": [...], "strict": bool} reads each text
into an index of its own and merges them if there are several. Writes one a line:
{"failures": n, "error": text or null, "dump": text or null}, or {"crash": signal}.
The first line it writes is the version of the library.

Each question is answered by a child process, as some kill the library.
"""

import ctypes
import json
import os
import sys

lib = ctypes.CDLL("libmodulemd.so.2")


class Error(ctypes.Structure):
    _fields_ = [("domain", ctypes.c_uint32), ("code", ctypes.c_int), ("message", ctypes.c_char_p)]


class Array(ctypes.Structure):
    _fields_ = [("items", ctypes.POINTER(ctypes.c_void_p)), ("length", ctypes.c_uint)]


ErrorPointer = ctypes.POINTER(Error)
ArrayPointer = ctypes.POINTER(Array)
for name, result, arguments in (
    ("modulemd_get_version", ctypes.c_char_p, []),
    ("modulemd_module_index_new", ctypes.c_void_p, []),
    ("modulemd_module_index_update_from_string", ctypes.c_int,
     [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(ArrayPointer), ctypes.POINTER(ErrorPointer)]),
    ("modulemd_module_index_dump_to_string", ctypes.c_char_p, [ctypes.c_void_p, ctypes.POINTER(ErrorPointer)]),
    ("modulemd_module_index_merger_new", ctypes.c_void_p, []),
    ("modulemd_module_index_merger_associate_index", None, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]),
    ("modulemd_module_index_merger_resolve", ctypes.c_void_p, [ctypes.c_void_p, ctypes.POINTER(ErrorPointer)]),
):
    function = getattr(lib, name)
    function.restype = result
    function.argtypes = arguments


def message(error):
    return error.contents.message.decode() if error else None


def answer(question):
    failures = 0
    indexes = []
    for text in question["texts"]:
        index = lib.modulemd_module_index_new()
        failed, error = ArrayPointer(), ErrorPointer()
        lib.modulemd_module_index_update_from_string(
            index, text.encode("utf-8", "surrogateescape"), question["strict"], ctypes.byref(failed), ctypes.byref(error))
        if error:
            return {"failures": failures, "error": message(error), "dump": None}
        failures += failed.contents.length if failed else 0
        indexes.append(index)
    index = indexes[0]
    error = ErrorPointer()
    if len(indexes) > 1:
        merger = lib.modulemd_module_index_merger_new()
        for i in indexes:
            lib.modulemd_module_index_merger_associate_index(merger, i, 0)
        index = lib.modulemd_module_index_merger_resolve(merger, ctypes.byref(error))
        if not index:
            return {"failures": failures, "error": message(error), "dump": None}
    dump = lib.modulemd_module_index_dump_to_string(index, ctypes.byref(error))
    return {"failures": failures, "error": None, "dump": dump.decode() if dump else None}


def in_child(line):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        with os.fdopen(writing, "w") as out:
            json.dump(answer(json.loads(line)), out)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as result:
        text = result.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return json.dumps({"crash": os.WTERMSIG(status)})
    return text or json.dumps({"crash": -1})


print(lib.modulemd_get_version().decode(), flush=True)
for line in sys.stdin:
    print(in_child(line), flush=True)
