"""How bytes survive: atomic writing, checksums, locks, free space. Everyone who writes uses it."""

from srseg.storage._atomic import atomic_path, put_in_place
from srseg.storage._atomic_folder import atomic_folder
from srseg.storage._checksums import CHUNK, Box, ChunkChecksums, chunk_shape
from srseg.storage._locks import locked
from srseg.storage._scratch import SCRATCH, scratch_beside
from srseg.storage._sha256 import file_sha256
from srseg.storage._space import require_free_space, reserve_space
from srseg.storage._stamp import FileStamp, file_stamp
from srseg.storage._text import read_json, write_json, write_text
from srseg.storage._unfinished import Unfinished, remove_abandoned, unfinished

__all__ = [
    "CHUNK",
    "SCRATCH",
    "Box",
    "ChunkChecksums",
    "FileStamp",
    "Unfinished",
    "atomic_folder",
    "atomic_path",
    "chunk_shape",
    "file_sha256",
    "file_stamp",
    "locked",
    "put_in_place",
    "read_json",
    "remove_abandoned",
    "require_free_space",
    "reserve_space",
    "scratch_beside",
    "unfinished",
    "write_json",
    "write_text",
]
