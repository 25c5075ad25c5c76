#include "error.h"

#include <stdarg.h>

#include "text.h"

bool nibble_fail(NibbleError *error, NibbleErrorCode code, const char *format, ...) {
  if (error == NULL) return false;
  error->code = code;
  va_list arguments;
  va_start(arguments, format);
  text_format_list(error->message, sizeof error->message, format, arguments);
  va_end(arguments);
  return false;
}

const char *nibble_error_name(int code) {
  static const char *const names[] = {
#define NIBBLE_ERROR_NAME(name) #name,
      NIBBLE_ERROR_CODES(NIBBLE_ERROR_NAME)
#undef NIBBLE_ERROR_NAME
  };
  return code >= 0 && code < NIBBLE_ERROR_COUNT ? names[code] : "UNKNOWN";
}
