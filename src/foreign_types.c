#include "foreign_types.h"

#include <inttypes.h>
#include <stddef.h>

#include "quant.h"
#include "text.h"

// What to do about a type, by whose it is.
static const char rows_apart[] = "llama.cpp has removed it: use the Q4_0 file of this model, or convert the model anew";
static const char nonlinear[] =
    "llama.cpp has removed it: use the IQ4_NL file of this model, or convert the model anew";
static const char old[] = "llama.cpp has removed it: convert the model anew";
static const char fork[] =
    "only the fork ik_llama.cpp reads it: use a file with types of llama.cpp, such as Q4_K_M or IQ4_XS";

static const struct {
  uint32_t type;
  const char *name, *advice;
} foreign_types[] = {
    {4, "Q4_2", old},
    {5, "Q4_3", old},
    {31, "Q4_0_4_4", rows_apart},
    {32, "Q4_0_4_8", rows_apart},
    {33, "Q4_0_8_8", rows_apart},
    {37, "IQ4_NL_4_8", nonlinear},
    {38, "IQ4_NL_8_8", nonlinear},
    {97, "Q8_0_X4", fork},
    {98, "Q8_1_X4", fork},
    {99, "Q8_2_X4", fork},
    {133, "Q6_0", fork},
    {134, "IQ1_BN", fork},
    {135, "IQ2_BN", fork},
    {136, "Q8_K64", fork},
    {137, "IQ2_K", fork},
    {138, "IQ3_K", fork},
    {139, "IQ4_K", fork},
    {140, "IQ5_K", fork},
    {141, "IQ6_K", fork},
    {144, "IQ4_KS", fork},
    {145, "IQ2_KS", fork},
    {146, "IQ4_KSS", fork},
    {147, "Q8_K16", fork},
    {148, "Q8_K32", fork},
    {149, "Q8_KR8", fork},
    {150, "Q8_K128", fork},
    {151, "Q8_KV", fork},
    {152, "IQ5_KS", fork},
    {153, "IQ2_KT", fork},
    {154, "IQ3_KT", fork},
    {155, "IQ4_KT", fork},
    {156, "IQ3_KS", fork},
    {157, "IQ2_KL", fork},
    {158, "IQ1_KT", fork},
};

// The fork numbers types whose rows are interleaved from here on: 200 more than the type as it was before.
enum { INTERLEAVED = 200 };

static const char *find(uint32_t type, const char **advice) {
  for (size_t i = 0; i < sizeof foreign_types / sizeof *foreign_types; i++) {
    if (foreign_types[i].type != type) continue;
    *advice = foreign_types[i].advice;
    return foreign_types[i].name;
  }
  return NULL;
}

void foreign_type_text(uint32_t type, char text[FOREIGN_TYPE_TEXT_SIZE]) {
  const char *advice = fork, *name = find(type, &advice), *rows = "";
  if (name == NULL && type >= INTERLEAVED) {
    const uint32_t plain = type - INTERLEAVED;
    const QuantFormat *format = quant_format(plain);
    name = format != NULL ? format->name : find(plain, &advice);
    rows = " with interleaved rows";
    advice = fork;
  }
  if (name != NULL)
    text_format(text, FOREIGN_TYPE_TEXT_SIZE, "%s%s (%" PRIu32 "), and %s", name, rows, type, advice);
  else
    text_format(
        text, FOREIGN_TYPE_TEXT_SIZE,
        "%" PRIu32
        ", which is no tensor type this reader knows; the file is damaged, too old or too new: convert the model "
        "anew",
        type);
}
