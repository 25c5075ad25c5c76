// A model of every weight type runs, in all of its matrices and in its norms, and computes what the formulas do with
// the weights that ggml has.
#include <stdlib.h>

#include "check.h"
#include "engine_fixture.h"
#include "plain_forward.h"
#include "weight_types.h"

enum { LENGTH = 6 };

// Heads of 64, and rows that are one and two superblocks of the widest kind.
static const TinyConfig config_of_type = {
    .width = 256, .feed_forward = 512, .heads = 4, .kv_heads = 2, .vocabulary = 43};

static void compare(Check *check, const TinyModel *model, const char *what, bool exact, double tolerance) {
  Rig rig;
  NibbleOptions options = tiny_options();
  options.exact = exact;
  rig_open(check, &rig, model, &options, 999);
  int32_t text[LENGTH];
  fill_text(text, LENGTH, rig.vocabulary);
  double *expected = plain_forward(&rig.tiny.gguf, rig.tiny.file.bytes, &config_of_type, text, LENGTH);
  append(check, rig.session, text, LENGTH);
  const double share = error_share(nibble_session_logits(rig.session),
                                   expected + (size_t)(LENGTH - 1) * (size_t)rig.vocabulary, rig.vocabulary);
  if (!CHECK(share < tolerance)) printf("  %s: %g\n", what, share);
  free(expected);
  rig_close(&rig);
}

TEST(everyTypeComputesTheFormulas) {
  for (int i = 0; i < WEIGHT_TYPES; i++) {
    TinyConfig config = config_of_type;
    config.type = weight_types[i].type;
    const TinyModel model = tiny_model(&config);
    compare(check, &model, quant_format(config.type)->name, true, 2e-5);
    compare(check, &model, quant_format(config.type)->name, false, 0.06);
  }
}

// Norms, which are floats in the engine, may be of any type too.
TEST(normsMayBeOfEveryType) {
  for (int i = 0; i < WEIGHT_TYPES; i++) {
    TinyModel model = tiny_model(&config_of_type);
    tiny_tensor(&model, "output_norm.weight")->type = weight_types[i].type;
    tiny_tensor(&model, "blk.1.ffn_norm.weight")->type = weight_types[i].type;
    compare(check, &model, quant_format(weight_types[i].type)->name, true, 2e-5);
  }
}

int main(void) {
  Check check = {0};
  RUN(&check, everyTypeComputesTheFormulas);
  RUN(&check, normsMayBeOfEveryType);
  return check_finish(&check);
}
