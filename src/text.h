// Text from files that nobody vouches for: whether it is UTF-8, and how a message may show it.
#ifndef NIBBLE_TEXT_H
#define NIBBLE_TEXT_H

#include <stddef.h>

// The length of the longest prefix of `length` bytes that is valid UTF-8 (no overlong forms, no surrogates, nothing
// above U+10FFFF); `length` where all of it is. NUL bytes are characters like any other.
size_t text_utf8_prefix(const char *text, size_t length);

#define TEXT_QUOTED_BYTES 64                          // as many bytes of a string are shown
#define TEXT_QUOTED_SIZE (TEXT_QUOTED_BYTES * 4 + 6)  // all of them as \xNN, two quotes, "..." and NUL

// Writes `length` untrusted bytes in double quotes as printable ASCII, others as \xNN, with "..." behind what was cut
// off. Returns `quoted`, which is NUL-terminated.
const char *text_quote(const char *text, size_t length, char quoted[TEXT_QUOTED_SIZE]);

#endif
