#!/usr/bin/env python3
"""Makes quant_records.h: what ggml unpacks from random blocks of every weight type, as checksums.

usage: quant_records.py PATH/TO/libggml-base.so > tests/native/quant_records.h

ggml has no I2_S: what bitnet.cpp's dequantiser makes of it is written once more here (its layout:
https://github.com/microsoft/BitNet/blob/main/src/ggml-bitnet-mad.cpp).

The library comes with npm's @node-llama-cpp/linux-x64 (in its bins/linux-x64), or with any build of llama.cpp.
"""
import ctypes
import struct
import sys

BLOCKS = 64
# type in the file, ggml's name, weights and bytes to a block
TYPES = [
    (2, "q4_0", 32, 18), (3, "q4_1", 32, 20), (6, "q5_0", 32, 22), (7, "q5_1", 32, 24), (8, "q8_0", 32, 34),
    (10, "q2_K", 256, 84), (11, "q3_K", 256, 110), (12, "q4_K", 256, 144), (13, "q5_K", 256, 176),
    (14, "q6_K", 256, 210), (16, "iq2_xxs", 256, 66), (17, "iq2_xs", 256, 74), (18, "iq3_xxs", 256, 98),
    (19, "iq1_s", 256, 50), (20, "iq4_nl", 32, 18), (21, "iq3_s", 256, 110), (22, "iq2_s", 256, 82),
    (23, "iq4_xs", 256, 136), (29, "iq1_m", 256, 56), (34, "tq1_0", 256, 54), (35, "tq2_0", 256, 66),
    (36, "i2_s", 128, 32),
    (39, "mxfp4", 32, 17), (40, "nvfp4", 64, 36), (41, "q1_0", 128, 18), (42, "q2_0", 64, 18),
]


def random_bytes(seed, count):
    state, out = seed, bytearray()
    for _ in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(state >> 24)
    return bytes(out)


def checksum(floats):
    """FNV-1a over the words of the floats; every NaN counts as one and the same."""
    value = 0xCBF29CE484222325
    for number in floats:
        bits = 0x7FC00000 if number != number else struct.unpack("<I", struct.pack("<f", number))[0]
        value = ((value ^ bits) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def unpack_i2_s(tensor):
    """Groups of 128 weights in 32 bytes, one F32 scale behind all of them."""
    scale = struct.unpack_from("<f", tensor, 32 * BLOCKS)[0]
    floats = []
    for block in range(BLOCKS):
        for shift in (6, 4, 2, 0):
            for byte in tensor[32 * block:32 * block + 32]:
                floats.append((ctypes.c_float * 1)(scale * (-1.0, 0.0, 1.0, 0.0)[byte >> shift & 3])[0])
    return floats


def main():
    library = ctypes.CDLL(sys.argv[1])
    print("// Made by quant_records.py with ggml of llama.cpp v0.5.0: checksums of what it unpacks from random blocks; of I2_S,")
    print("// which it does not have, of what the script does.")
    print("enum { QUANT_RECORD_BLOCKS = %d };" % BLOCKS)
    print("static const struct {\n  uint32_t type;\n  uint64_t checksum;\n} quant_records[] = {")
    for number, name, weights, size in TYPES:
        if name == "i2_s":
            print("    {%d, 0x%016x},  // i2_s" % (number, checksum(unpack_i2_s(random_bytes(36, 32 * BLOCKS + 32)))))
            continue
        unpack = getattr(library, "dequantize_row_" + name)
        unpack.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_float), ctypes.c_int64]
        unpack.restype = None
        floats = (ctypes.c_float * (weights * BLOCKS))()
        unpack(random_bytes(number, size * BLOCKS), floats, weights * BLOCKS)
        print("    {%d, 0x%016x},  // %s" % (number, checksum(floats), name))
    print("};")


main()
