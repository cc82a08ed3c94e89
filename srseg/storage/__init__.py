"""How bytes survive: atomic writing, checksums, locks, free space. Everyone who writes uses it."""

from srseg.storage._atomic import atomic_path, make_folder, put_in_place
from srseg.storage._atomic_folder import atomic_folder
from srseg.storage._checksums import CHUNK, Box, ChunkChecksums, chunk_shape
from srseg.storage._journal import Journal
from srseg.storage._locks import locked
from srseg.storage._part_file import AGAIN, PartFile
from srseg.storage._scratch import SCRATCH, scratch_beside
from srseg.storage._scratch_check import ScratchDamage, scratch_damage
from srseg.storage._seal import Sealing, is_doubtful, sealing
from srseg.storage._sha256 import file_sha256
from srseg.storage._space import require_free_space, reserve_space
from srseg.storage._stamp import FileStamp, file_stamp
from srseg.storage._tensors import tensor_damage
from srseg.storage._text import json_text, read_json, write_json, write_text
from srseg.storage._tile_store import TileStore
from srseg.storage._unfinished import Unfinished, remove_abandoned, unfinished

__all__ = [
    "AGAIN",
    "CHUNK",
    "SCRATCH",
    "Box",
    "ChunkChecksums",
    "FileStamp",
    "Journal",
    "PartFile",
    "ScratchDamage",
    "Sealing",
    "TileStore",
    "Unfinished",
    "atomic_folder",
    "atomic_path",
    "chunk_shape",
    "file_sha256",
    "file_stamp",
    "is_doubtful",
    "json_text",
    "locked",
    "make_folder",
    "put_in_place",
    "read_json",
    "remove_abandoned",
    "require_free_space",
    "reserve_space",
    "scratch_beside",
    "scratch_damage",
    "sealing",
    "tensor_damage",
    "unfinished",
    "write_json",
    "write_text",
]
