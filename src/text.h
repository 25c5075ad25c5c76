// What messages are made of: sentences with numbers and names in them, and text from files that nobody vouches for:
// whether it is UTF-8, and how a message may show it.
#ifndef NIBBLE_TEXT_H
#define NIBBLE_TEXT_H

#include <stdarg.h>
#include <stddef.h>

#if defined(__GNUC__)
#define TEXT_PRINTF(place, arguments) __attribute__((format(printf, place, arguments)))
#else
#define TEXT_PRINTF(place, arguments)
#endif

// Writes at most `size` bytes, the NUL at the end included, as snprintf() does; `size` is at least 1. The conversions
// are those that messages need: %s (also %.Ns and %.*s), %d, %u and %0Nx (also with ll, l or z), %g, %.Nf below
// 2^63, and %%. libc's brings big numbers and files along, 7 KB of wasm.
void text_format(char *out, size_t size, const char *format, ...) TEXT_PRINTF(3, 4);
void text_format_list(char *out, size_t size, const char *format, va_list arguments);

// Returns the length of the longest prefix of `length` bytes that is valid UTF-8 (no overlong forms, no surrogates,
// nothing above U+10FFFF); `length` where all of it is. NUL bytes are characters like any other.
size_t text_utf8_prefix(const char *text, size_t length);

#define TEXT_QUOTED_BYTES 64                          // as many bytes of a string are shown
#define TEXT_QUOTED_SIZE (TEXT_QUOTED_BYTES * 4 + 6)  // all of them as \xNN, two quotes, "..." and NUL

// Writes `length` untrusted bytes in double quotes as printable ASCII, others as \xNN, with "..." behind what was cut
// off. Returns `quoted`, which is NUL-terminated.
const char *text_quote(const char *text, size_t length, char quoted[TEXT_QUOTED_SIZE]);

#endif
