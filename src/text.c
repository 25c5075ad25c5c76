#include "text.h"

#include <math.h>
#include <stdbool.h>
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
  memcpy(end, shown < length ? "..." : "", shown < length ? 4 : 1);
  return quoted;
}

typedef struct {
  char *end, *last;  // where the next byte goes, and where none may: the place of the NUL, if no other comes
  va_list arguments;
} Writer;

static void put(Writer *writer, char byte) {
  if (writer->end < writer->last) *writer->end++ = byte;
}

static void put_string(Writer *writer, const char *text, int most) {
  for (; most != 0 && *text != 0; most--)
    put(writer, *text++);
}

// At least `least` digits, a point before the last `decimals` of them.
static void put_number(Writer *writer, uint64_t number, unsigned base, int least, int decimals) {
  char digits[64];
  int count = 0;
  for (; number != 0 || count < least; number /= base)
    digits[count++] = "0123456789abcdef"[number % base];
  while (count > 0) {
    if (count == decimals) put(writer, '.');
    put(writer, digits[--count]);
  }
}

// Writes the sign, and nothing else unless the number is none. Returns whether it is finite.
static bool put_sign(Writer *writer, double number) {
  if (signbit(number)) put(writer, '-');
  if (isfinite(number)) return true;
  put_string(writer, isnan(number) ? "nan" : "inf", -1);
  return false;
}

static void put_fixed(Writer *writer, double number, int decimals) {
  if (!put_sign(writer, number)) return;
  double whole = fabs(number);
  for (int i = 0; i < decimals; i++)
    whole *= 10;
  put_number(writer, whole < 0x1p63 ? (uint64_t)rint(whole) : UINT64_C(1) << 63, 10, decimals + 1, decimals);
}

// Six digits without the zeros behind them.
static void put_general(Writer *writer, double number) {
  if (!put_sign(writer, number)) return;
  double scaled = fabs(number);
  int exponent = scaled == 0 ? 0 : 5, decimals = 5;
  for (; scaled >= 1e6; scaled /= 10)
    exponent++;
  for (; scaled != 0 && scaled < 1e5; scaled *= 10)
    exponent--;
  uint64_t digits = (uint64_t)rint(scaled);
  if (digits == 1000000) {
    digits = 100000;
    exponent++;
  }
  const bool has_exponent = exponent < -4 || exponent > 5;
  if (!has_exponent) decimals -= exponent;
  for (; decimals > 0 && digits % 10 == 0; decimals--)
    digits /= 10;
  put_number(writer, digits, 10, decimals + 1, decimals);
  if (!has_exponent) return;
  put_string(writer, exponent < 0 ? "e-" : "e+", -1);
  put_number(writer, (uint64_t)(exponent < 0 ? -exponent : exponent), 10, 2, 0);
}

// The next argument; `longs` counts the letters l before a conversion, 3 is for z.
static uint64_t next_unsigned(Writer *writer, int longs) {
  switch (longs) {
    case 0: return va_arg(writer->arguments, unsigned);
    case 1: return va_arg(writer->arguments, unsigned long);
    case 2: return va_arg(writer->arguments, unsigned long long);
    default: return va_arg(writer->arguments, size_t);
  }
}

static void put_signed(Writer *writer, int longs) {
  const int64_t number = longs == 0   ? va_arg(writer->arguments, int)
                         : longs == 1 ? va_arg(writer->arguments, long)
                                      : va_arg(writer->arguments, long long);
  if (number < 0) put(writer, '-');
  put_number(writer, number < 0 ? -(uint64_t)number : (uint64_t)number, 10, 1, 0);
}

// The digits at the front of a format.
static int read_digits(const char **format) {
  int number = 0;
  for (; **format >= '0' && **format <= '9'; (*format)++)
    number = 10 * number + (**format - '0');
  return number;
}

// Writes what the conversion behind a '%' says, and returns where the format goes on.
static const char *put_conversion(Writer *writer, const char *format) {
  const int width = read_digits(&format);
  int precision = -1, longs = 0;
  if (*format == '.') {
    format++;
    precision = *format == '*' ? va_arg(writer->arguments, int) : read_digits(&format);
    if (*format == '*') format++;
  }
  for (; *format == 'l' || *format == 'z'; format++)
    longs += *format == 'z' ? 3 : 1;
  switch (*format) {
    case 's': put_string(writer, va_arg(writer->arguments, const char *), precision); break;
    case 'g': put_general(writer, va_arg(writer->arguments, double)); break;
    case 'f': put_fixed(writer, va_arg(writer->arguments, double), precision); break;
    case 'd': put_signed(writer, longs); break;
    case 'u': put_number(writer, next_unsigned(writer, longs), 10, 1, 0); break;
    case 'x': put_number(writer, next_unsigned(writer, longs), 16, width, 0); break;
    default: put(writer, *format); break;
  }
  return format + 1;
}

void text_format_list(char *out, size_t size, const char *format, va_list arguments) {
  Writer writer = {.end = out, .last = out + size - 1};
  va_copy(writer.arguments, arguments);
  while (*format != 0) {
    const char byte = *format++;
    if (byte == '%')
      format = put_conversion(&writer, format);
    else
      put(&writer, byte);
  }
  va_end(writer.arguments);
  *writer.end = 0;
}

void text_format(char *out, size_t size, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  text_format_list(out, size, format, arguments);
  va_end(arguments);
}
