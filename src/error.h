// Errors as values. Every call that can fail takes a NibbleError and fills it: a stable code for programs, and a
// sentence for people that says what was found, what was expected and what to do.
#ifndef NIBBLE_ERROR_H
#define NIBBLE_ERROR_H

#include <stdbool.h>

// Codes are part of the API: a name, once released, keeps its meaning. js/core/runtime.js reads the names through
// nibble_error_name(), so the numbers may change.
#define NIBBLE_ERROR_CODES(X)                                                             \
  X(OK)                                                                                   \
  X(OUT_OF_MEMORY)      /* an allocation failed */                                        \
  X(INVALID_ARGUMENT)   /* the caller's value is outside what the call accepts */         \
  X(CANCELLED)          /* the caller asked to stop */                                    \
  X(THREADS_FAILED)     /* the platform refused a thread */                               \
  X(KERNELS_WRONG)      /* the platform computes a kernel set wrongly */                  \
  X(GGUF_NEEDS_MORE)    /* the header goes on behind the bytes given: call with more */   \
  X(GGUF_TRUNCATED)     /* the file ends before what it declares */                       \
  X(GGUF_BAD_MAGIC)     /* not a GGUF file */                                             \
  X(GGUF_BAD_VERSION)   /* neither version 2 nor 3 */                                     \
  X(GGUF_BAD_COUNT)     /* a count or length that the file cannot hold */                 \
  X(GGUF_BAD_STRING)    /* a string that is not UTF-8, or empty where it must not be */   \
  X(GGUF_BAD_TYPE)      /* an unknown value or tensor type */                             \
  X(GGUF_BAD_VALUE)     /* a metadata value outside its range */                          \
  X(GGUF_BAD_ALIGNMENT) /* general.alignment is no power of two that fits */              \
  X(GGUF_BAD_DIMENSION) /* a tensor's dimensions are too many, zero, or overflow */       \
  X(GGUF_BAD_OFFSET)    /* a tensor's bytes are unaligned, overlapping or out of range */ \
  X(GGUF_DUPLICATE)     /* a key or a tensor name stands twice */                         \
  X(MODEL_UNSUPPORTED)  /* a model family or feature this engine does not run */          \
  X(MODEL_BAD_KEY)      /* a metadata key is missing, mistyped or contradicts another */  \
  X(MODEL_BAD_TENSOR)   /* a tensor is missing, or its shape or type does not fit */      \
  X(MODEL_INCOMPLETE)   /* used before every weight has arrived */                        \
  X(BUDGET_TOO_SMALL)   /* the memory budget holds not even what is needed at once */     \
  X(CONTEXT_FULL)       /* the tokens do not fit into the session's context */            \
  X(SAVE_DAMAGED)       /* a saved session is cut short, or some of it was changed */     \
  X(SAVE_MISMATCH)      /* a saved session is another model's, version's, KV type's or LongRoPE's */

typedef enum {
#define NIBBLE_ERROR_ENUM(name) NIBBLE_##name,
  NIBBLE_ERROR_CODES(NIBBLE_ERROR_ENUM)
#undef NIBBLE_ERROR_ENUM
      NIBBLE_ERROR_COUNT
} NibbleErrorCode;

typedef struct {
  NibbleErrorCode code;  // NIBBLE_OK until a call fails
  char message[508];     // NUL-terminated UTF-8; untrusted bytes are escaped before they get here
} NibbleError;

// Fills `error` (which may be NULL) and returns false, so that a check reads `return nibble_fail(error, ...)`.
bool nibble_fail(NibbleError *error, NibbleErrorCode code, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

// Returns the code's stable name, such as "GGUF_BAD_MAGIC"; "UNKNOWN" for a number that is no code. Static storage.
const char *nibble_error_name(int code);

#endif
