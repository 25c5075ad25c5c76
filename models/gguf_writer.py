"""Write a GGUF version 3 file: metadata, then tensors as F32 or Q4_0.

Layout (little-endian), as the GGUF specification of the ggml project describes it:

    "GGUF" | version u32 | tensor count u64 | metadata count u64
    metadata: key string, type u32, value      (a string is a u64 length and UTF-8 bytes)
    tensors:  name string, dimension count u32, dimensions u64 (fastest first), type u32, offset u64
    padding to 32 bytes, then each tensor's data, each padded to 32 bytes

A Q4_0 block is 18 bytes for 32 weights: one f16 scale d, then 16 bytes; byte j holds weight j in its low nibble and
weight j + 16 in its high nibble. A nibble q stands for (q - 8) * d.
"""

import struct

import numpy as np

ALIGNMENT = 32
BLOCK = 32

TYPE_F32 = 0
TYPE_Q4_0 = 2

VALUE_UINT32, VALUE_INT32, VALUE_FLOAT32, VALUE_BOOL, VALUE_STRING, VALUE_ARRAY = 4, 5, 6, 7, 8, 9


def quantise_q4_0(weights):
    """Float array [rows, cols], cols a multiple of 32 -> (scales f16 [blocks], nibbles uint8 [blocks, 32]).

    The scale maps the weight of the largest magnitude (the first one, if several) to nibble 0, that is to -8.
    """
    if weights.ndim != 2 or weights.shape[1] % BLOCK:
        raise ValueError(f'Q4_0 needs a matrix whose rows are a multiple of {BLOCK} long, found shape {weights.shape}')
    blocks = np.ascontiguousarray(weights, dtype=np.float32).reshape(-1, BLOCK)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1)[:, None], axis=1)
    scale = largest / np.float32(-8)
    inverse = np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale != 0)
    nibbles = np.minimum(15, (blocks * inverse + np.float32(8.5)).astype(np.int32)).astype(np.uint8)
    return scale[:, 0].astype(np.float16), nibbles


def dequantise_q4_0(scales, nibbles, shape):
    """The float32 array of `shape` that the blocks stand for."""
    values = (nibbles.astype(np.float32) - 8) * scales.astype(np.float32)[:, None]
    return values.reshape(shape)


def pack_q4_0(weights):
    """Float array [rows, cols] -> the bytes of its Q4_0 blocks."""
    scales, nibbles = quantise_q4_0(weights)
    half = BLOCK // 2
    packed = nibbles[:, :half] | (nibbles[:, half:] << 4)
    return np.concatenate([scales.view(np.uint8).reshape(-1, 2), packed], axis=1).tobytes()


def encode_string(text):
    data = text.encode('utf-8')
    return struct.pack('<Q', len(data)) + data


def encode_value(value):
    """One metadata value -> (type, bytes). Python ints are written as uint32, lists of ints as int32."""
    if isinstance(value, bool):
        return VALUE_BOOL, struct.pack('<B', value)
    if isinstance(value, int):
        return VALUE_UINT32, struct.pack('<I', value)
    if isinstance(value, float):
        return VALUE_FLOAT32, struct.pack('<f', value)
    if isinstance(value, str):
        return VALUE_STRING, encode_string(value)
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        body = b''.join(encode_string(item) for item in value)
        return VALUE_ARRAY, struct.pack('<IQ', VALUE_STRING, len(value)) + body
    if isinstance(value, list) and value and all(type(item) is int for item in value):
        return VALUE_ARRAY, struct.pack(f'<IQ{len(value)}i', VALUE_INT32, len(value), *value)
    raise TypeError(f'metadata values are bool, int, float, str or lists of str or int, found {value!r:.60}')


def padded(data):
    return data + b'\0' * (-len(data) % ALIGNMENT)


def write_gguf(path, metadata, tensors):
    """metadata: {key: value}. tensors: {name: float32 array}; matrices become Q4_0, vectors stay F32."""
    header = struct.pack('<4sIQQ', b'GGUF', 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        kind, data = encode_value(value)
        header += encode_string(key) + struct.pack('<I', kind) + data

    body = b''
    for name, array in tensors.items():
        is_matrix = array.ndim == 2
        kind = TYPE_Q4_0 if is_matrix else TYPE_F32
        data = pack_q4_0(array) if is_matrix else array.astype('<f4').tobytes()
        header += encode_string(name) + struct.pack('<I', array.ndim)
        header += struct.pack(f'<{array.ndim}Q', *reversed(array.shape)) + struct.pack('<IQ', kind, len(body))
        body += padded(data)

    with open(path, 'wb') as file:
        file.write(padded(header) + body)
    return len(padded(header)) + len(body)
