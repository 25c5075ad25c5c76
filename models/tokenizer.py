"""A byte-level BPE tokenizer that learns its merges; it splits text as llama.cpp does under the name "smollm"."""

import collections
import math
import re

SPECIAL = ['<|endoftext|>', '<|im_start|>', '<|im_end|>']
END_OF_TEXT, IM_START, IM_END = range(3)

# Digits first, each alone; then, inside what lies between them, the words of GPT-2.
DIGIT = re.compile(r'(\d)')
WORD = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")


def byte_symbols():
    """The printable character that byte-level BPE writes for each of the 256 bytes."""
    printable = [*range(ord('!'), ord('~') + 1), *range(ord('¡'), ord('¬') + 1), *range(ord('®'), ord('ÿ') + 1)]
    symbols = {byte: chr(byte) for byte in printable}
    for byte in range(256):
        if byte not in symbols:
            symbols[byte] = chr(256 + len(symbols) - len(printable))
    return symbols


def split_words(text):
    """Text -> the pieces that BPE merges never cross."""
    words = []
    for piece in DIGIT.split(text):
        words += [piece] if DIGIT.fullmatch(piece) else WORD.findall(piece)
    return words


class Tokenizer:
    def __init__(self, vocabulary_size):
        self.symbols = byte_symbols()
        self.vocabulary_size = vocabulary_size
        self.merges = []
        self.cache = {}

    def spell(self, word):
        return tuple(self.symbols[byte] for byte in word.encode('utf-8'))

    def train(self, texts):
        """Learn the merges: join the most frequent pair of neighbours, again and again."""
        counts = collections.Counter()
        for text in texts:
            counts.update(split_words(text))
        words = [(list(self.spell(word)), count) for word, count in sorted(counts.items()) if count > 1]
        pairs, homes = collections.Counter(), collections.defaultdict(set)
        for index, (spelling, count) in enumerate(words):
            for pair in zip(spelling, spelling[1:]):
                pairs[pair] += count
                homes[pair].add(index)

        while len(SPECIAL) + 256 + len(self.merges) < self.vocabulary_size:
            best = max(pairs, key=lambda pair: (pairs[pair], pair))
            self.merges.append(best)
            for index in homes.pop(best):
                spelling, count = words[index]
                for pair in zip(spelling, spelling[1:]):
                    pairs[pair] -= count
                spelling[:] = merge(spelling, best)
                for pair in zip(spelling, spelling[1:]):
                    pairs[pair] += count
                    homes[pair].add(index)
            del pairs[best]
        self.tokens = SPECIAL + sorted(self.symbols.values()) + [first + second for first, second in self.merges]
        self.ids = {token: index for index, token in enumerate(self.tokens)}
        self.ranks = {pair: rank for rank, pair in enumerate(self.merges)}

    def encode_word(self, word):
        if word not in self.cache:
            spelling = list(self.spell(word))
            while len(spelling) > 1:
                best = min(zip(spelling, spelling[1:]), key=lambda pair: self.ranks.get(pair, math.inf))
                if best not in self.ranks:
                    break
                spelling = merge(spelling, best)
            self.cache[word] = [self.ids[symbol] for symbol in spelling]
        return self.cache[word]

    def encode(self, text):
        return [token for word in split_words(text) for token in self.encode_word(word)]

    def decode(self, ids):
        bytes_of = {symbol: byte for byte, symbol in self.symbols.items()}
        text = ''.join(self.tokens[token] for token in ids if token >= len(SPECIAL))
        return bytes(bytes_of[symbol] for symbol in text).decode('utf-8', errors='replace')


def merge(spelling, pair):
    joined, index = [], 0
    while index < len(spelling):
        if tuple(spelling[index:index + 2]) == pair:
            joined.append(spelling[index] + spelling[index + 1])
            index += 2
        else:
            joined.append(spelling[index])
            index += 1
    return joined
