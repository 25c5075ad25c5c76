#include "text.h"

#include <stdint.h>
#include <string.h>

// The well-formed sequences of the Unicode Standard, table 3-7: the lead byte gives the number of bytes behind it, and
// the range of the first of them, which is where overlong forms, surrogates and too large code points are told apart.
size_t text_utf8_prefix(const char *text, size_t length) {
  const uint8_t *bytes = (const uint8_t *)text;
  size_t i = 0;
  while (i < length) {
    const uint8_t lead = bytes[i];
    if (lead < 0x80) {
      i++;
      continue;
    }
    const size_t tail = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (lead < 0xc2 || lead > 0xf4 || tail >= length - i) break;
    const uint8_t lowest = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const uint8_t highest = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (bytes[i + 1] < lowest || bytes[i + 1] > highest) break;
    if (tail > 1 && (bytes[i + 2] & 0xc0) != 0x80) break;
    if (tail > 2 && (bytes[i + 3] & 0xc0) != 0x80) break;
    i += tail + 1;
  }
  return i;
}

const char *text_quote(const char *text, size_t length, char quoted[TEXT_QUOTED_SIZE]) {
  static const char digits[] = "0123456789abcdef";
  const size_t shown = length < TEXT_QUOTED_BYTES ? length : TEXT_QUOTED_BYTES;
  char *end = quoted;
  *end++ = '"';
  for (size_t i = 0; i < shown; i++) {
    const uint8_t byte = (uint8_t)text[i];
    if (byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\') {
      *end++ = (char)byte;
    } else {
      *end++ = '\\';
      *end++ = 'x';
      *end++ = digits[byte >> 4];
      *end++ = digits[byte & 15];
    }
  }
  *end++ = '"';
  strcpy(end, shown < length ? "..." : "");
  return quoted;
}
