// The promises of engine.h that concern sessions beside each other and beyond their context: forks, windows, shifts.
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "engine.h"
#include "engine_fixture.h"
#include "plain_forward.h"
#include "tiny_model.h"

static const NibbleKvType kv_types[] = {NIBBLE_KV_F16, NIBBLE_KV_INT8};
enum { KV_TYPES = sizeof kv_types / sizeof *kv_types };

static NibbleOptions options_with(NibbleKvType type) {
  NibbleOptions options = tiny_options();
  options.kv_type = type;
  options.batch_size = 50;
  return options;
}

static uint64_t kv_bytes(const Rig *rig) {
  NibbleMemory memory;
  nibble_engine_memory(rig->engine, &memory);
  return memory.kv_cache;
}

enum { TEXT = 200, BRANCH = 80 };

typedef struct {
  int32_t text[TEXT], other[BRANCH];
  float expected[2][MOST_VOCABULARY];  // after the first `kept` of text, then the rest of it, or `other`
} Branches;

static Branches *make_branches(Check *check, const Rig *rig, int kept) {
  Branches *branches = malloc(sizeof *branches);
  if (branches == NULL) abort();
  fill_text(branches->text, TEXT, rig->vocabulary);
  for (int t = 0; t < BRANCH; t++)
    branches->other[t] = rig->vocabulary - 1 - branches->text[t];
  append(check, rig->session, branches->text, TEXT);
  keep_logits(check, rig, branches->expected[0]);
  nibble_session_truncate(rig->session, 0);
  if (kept > 0) append(check, rig->session, branches->text, kept);
  append(check, rig->session, branches->other, BRANCH);
  keep_logits(check, rig, branches->expected[1]);
  nibble_session_truncate(rig->session, 0);
  return branches;
}

TEST(forks_go_on_as_sessions_of_their_own_would) {
  const int lengths[] = {0, 1, 63, 64, 65, 128, 130}, stride = check_stride(5);
  for (int i = 0; i < TINY_CONFIGS; i++)
    for (int k = i % stride; k < 7; k += stride) {
      const NibbleOptions options = options_with(kv_types[(i + k) % KV_TYPES]);
      const int kept = lengths[k];
      Rig rig;
      open_config(check, &rig, &tiny_configs[i], &options);
      Branches *branches = make_branches(check, &rig, kept);
      if (kept > 0) append(check, rig.session, branches->text, kept);
      NibbleSession *fork = nibble_session_fork(rig.session, NULL);
      if (!CHECK(fork != NULL)) return;
      CHECK_INT(nibble_session_length(fork), kept);
      CHECK(kept == 0 || memcmp(nibble_session_tokens(fork), branches->text, (size_t)kept * sizeof(int32_t)) == 0);
      if (kept > 0) CHECK(same_logits(fork, nibble_session_logits(rig.session), rig.vocabulary));
      // In turns, so that each writes while the other shares.
      for (int t = 0; t < BRANCH; t += 10) {
        append(check, fork, branches->other + t, 10);
        if (kept + t + 10 <= TEXT) append(check, rig.session, branches->text + kept + t, 10);
      }
      const int done = nibble_session_length(rig.session);
      if (done < TEXT) append(check, rig.session, branches->text + done, TEXT - done);
      CHECK(same_logits(rig.session, branches->expected[0], rig.vocabulary));
      CHECK(same_logits(fork, branches->expected[1], rig.vocabulary));
      nibble_session_free(fork);
      free(branches);
      rig_close(&rig);
    }
}

TEST(forks_outlive_what_they_came_from) {
  const NibbleOptions options = options_with(NIBBLE_KV_INT8);
  Rig rig;
  open_config(check, &rig, &tiny_configs[0], &options);
  Branches *branches = make_branches(check, &rig, 100);
  NibbleSession *first = nibble_session_create(rig.engine, NULL);
  append(check, first, branches->text, 130);
  NibbleSession *second = nibble_session_fork(first, NULL);
  nibble_session_truncate(first, 100);  // in the middle of a page that the other has too
  NibbleSession *third = nibble_session_fork(first, NULL);
  if (!CHECK(second != NULL && third != NULL)) return;
  CHECK(nibble_session_logits(third) == NULL);
  append(check, first, branches->other, BRANCH);
  CHECK(same_logits(first, branches->expected[1], rig.vocabulary));
  nibble_session_free(first);
  append(check, second, branches->text + 130, TEXT - 130);
  CHECK(same_logits(second, branches->expected[0], rig.vocabulary));
  nibble_session_free(second);
  append(check, third, branches->other, BRANCH);
  CHECK(same_logits(third, branches->expected[1], rig.vocabulary));
  nibble_session_free(third);
  CHECK_INT((long long)kv_bytes(&rig), 0);
  free(branches);
  rig_close(&rig);
}

TEST(forks_share_pages_until_one_writes) {
  const NibbleOptions options = options_with(NIBBLE_KV_F16);
  Rig rig;
  open_config(check, &rig, &tiny_configs[0], &options);
  int32_t text[130];
  fill_text(text, 130, rig.vocabulary);
  append(check, rig.session, text, 1);
  const long long layers = (long long)kv_bytes(&rig);  // a page in each layer
  append(check, rig.session, text, 99);
  CHECK_INT((long long)kv_bytes(&rig), 2 * layers);
  NibbleSession *fork = nibble_session_fork(rig.session, NULL);
  CHECK_INT((long long)kv_bytes(&rig), 2 * layers);
  append(check, fork, text, 1);  // copies the second page
  CHECK_INT((long long)kv_bytes(&rig), 3 * layers);
  append(check, rig.session, text, 20);  // has it for itself now
  CHECK_INT((long long)kv_bytes(&rig), 3 * layers);
  append(check, rig.session, text, 10);
  CHECK_INT((long long)kv_bytes(&rig), 4 * layers);
  nibble_session_free(fork);
  CHECK_INT((long long)kv_bytes(&rig), 3 * layers);
  nibble_session_truncate(rig.session, 0);
  CHECK_INT((long long)kv_bytes(&rig), 0);
  rig_close(&rig);
}

TEST(forks_of_full_sessions_are_full) {
  TinyConfig config = tiny_configs[0];
  config.context = 70;
  const NibbleOptions options = options_with(NIBBLE_KV_INT8);
  Rig rig;
  open_config(check, &rig, &config, &options);
  int32_t text[70];
  fill_text(text, 70, rig.vocabulary);
  append(check, rig.session, text, 70);
  NibbleSession *fork = nibble_session_fork(rig.session, NULL);
  NibbleError error = {.code = NIBBLE_OK};
  CHECK(!nibble_session_evaluate(fork, text, 1, NULL, NULL, &error));
  CHECK_STR(nibble_error_name((int)error.code), "CONTEXT_FULL");
  CHECK(same_logits(fork, nibble_session_logits(rig.session), rig.vocabulary));
  CHECK_INT(nibble_session_truncate(fork, 69), 69);
  append(check, fork, text + 69, 1);
  CHECK(same_logits(fork, nibble_session_logits(rig.session), rig.vocabulary));
  nibble_session_free(fork);
  rig_close(&rig);
}

// A session of a windowed model, appended to token by token or at once: only its window and a page stay.
TEST(windows_hold_only_their_window) {
  const int windowed[] = {4, 6, 9};
  for (int w = 0; w < 3; w++)
    for (int batch = 1; batch <= 64; batch *= 8) {
      const TinyConfig *config = &tiny_configs[windowed[w]];
      const int window = config->sliding_window;
      NibbleOptions options = options_with(kv_types[w % KV_TYPES]);
      options.batch_size = batch;
      Rig rig;
      open_config(check, &rig, config, &options);
      int32_t text[500];
      fill_text(text, 500, rig.vocabulary);
      append(check, rig.session, text, 1);
      const long long layers = (long long)kv_bytes(&rig);
      append(check, rig.session, text + 1, 399);
      const int first = (400 - window + 1) / 64 - 1;
      CHECK_INT((long long)kv_bytes(&rig), (7 - first) * layers);
      // A few tokens can be taken back; what would need more is begun anew.
      CHECK_INT(nibble_session_truncate(rig.session, 380), 380);
      append(check, rig.session, text + 380, 20);
      append(check, rig.session, text + 400, 100);
      float expected[MOST_VOCABULARY];
      keep_logits(check, &rig, expected);
      CHECK_INT(nibble_session_truncate(rig.session, 100), 0);
      CHECK_INT((long long)kv_bytes(&rig), 0);
      append(check, rig.session, text, 500);
      CHECK(same_logits(rig.session, expected, rig.vocabulary));
      rig_close(&rig);
    }
}

// After a prompt, a shift and some more tokens, in the exact mode, against the formulas.
static void compare_shift(Check *check, const TinyConfig *config, PlainShift shift, const NibbleOptions *options,
                          double tolerance) {
  enum { MORE = 40, MOST = 240 };
  Rig rig;
  open_config(check, &rig, config, options);
  int32_t text[MOST];
  const int length = shift.at + MORE;
  fill_text(text, length, rig.vocabulary);
  double *expected = plain_forward_shifted(&rig.tiny.gguf, rig.tiny.file.bytes, config, text, length, shift);
  append(check, rig.session, text, shift.at);
  CHECK(nibble_session_shift(rig.session, shift.keep, shift.drop, NULL));
  CHECK_INT(nibble_session_length(rig.session), shift.at - shift.drop);
  CHECK(nibble_session_logits(rig.session) == NULL);
  const int32_t *kept = nibble_session_tokens(rig.session);
  for (int t = 0; t < shift.at - shift.drop; t++)
    CHECK_INT(kept[t], text[t < shift.keep ? t : t + shift.drop]);
  append(check, rig.session, text + shift.at, 1);
  append(check, rig.session, text + shift.at + 1, MORE - 1);
  const double share = error_share(nibble_session_logits(rig.session),
                                   expected + (size_t)(length - 1) * (size_t)rig.vocabulary, rig.vocabulary);
  if (!CHECK(share < tolerance))
    printf("  model %d, %d of %d dropped behind %d: %g\n", (int)(config - tiny_configs), shift.drop, shift.at,
           shift.keep, share);
  free(expected);
  rig_close(&rig);
}

static const PlainShift shifts[] = {{200, 4, 100}, {130, 4, 1},  {130, 0, 64}, {65, 4, 60},
                                    {128, 64, 64}, {100, 99, 1}, {90, 0, 90},  {200, 70, 65}};

TEST(shifts_as_streaming_llm_does) {
  NibbleOptions options = tiny_options();
  options.exact = true;
  const int stride = check_stride(2);
  for (int i = 0; i < TINY_CONFIGS; i++)
    for (size_t s = (size_t)(i % stride); s < sizeof shifts / sizeof *shifts; s += (size_t)stride)
      if (tiny_configs[i].sliding_window == 0 || tiny_configs[i].sliding_window > 250)
        compare_shift(check, &tiny_configs[i], shifts[s], &options, 3e-5);
}

TEST(shifts_rounded_keys_closely) {
  for (int type = 0; type < KV_TYPES; type++)
    for (size_t s = 0; s < sizeof shifts / sizeof *shifts; s++) {
      const NibbleOptions options = options_with(kv_types[type]);
      compare_shift(check, &tiny_configs[5], shifts[s], &options, type == 0 ? 6e-3 : 0.04);
    }
}

TEST(shifts_leave_forks_alone) {
  const NibbleOptions options = options_with(NIBBLE_KV_INT8);
  Rig rig;
  open_config(check, &rig, &tiny_configs[1], &options);
  Branches *branches = make_branches(check, &rig, 150);
  append(check, rig.session, branches->text, 150);
  NibbleSession *fork = nibble_session_fork(rig.session, NULL);
  CHECK(nibble_session_shift(fork, 4, 50, NULL));
  append(check, fork, branches->text, 20);
  append(check, rig.session, branches->text + 150, TEXT - 150);
  CHECK(same_logits(rig.session, branches->expected[0], rig.vocabulary));
  nibble_session_free(fork);
  free(branches);
  rig_close(&rig);
}

// Where a window has let go of tokens that would be seen again, the session stays as it is.
TEST(refuses_shifts_that_cannot_be) {
  Rig rig;
  const NibbleOptions options = options_with(NIBBLE_KV_F16);
  open_config(check, &rig, &tiny_configs[4], &options);  // a window of 70
  int32_t text[300];
  fill_text(text, 300, rig.vocabulary);
  append(check, rig.session, text, 250);
  const struct {
    int keep, drop;
  } bad[] = {{4, 200}, {-1, 5}, {4, 0}, {4, -3}, {251, 1}, {250, 1}, {0, 251}, {4, INT32_MAX}};
  float expected[MOST_VOCABULARY];
  keep_logits(check, &rig, expected);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    NibbleError error = {.code = NIBBLE_OK};
    CHECK(!nibble_session_shift(rig.session, bad[i].keep, bad[i].drop, &error));
    CHECK_STR(nibble_error_name((int)error.code), "INVALID_ARGUMENT");
    CHECK(same_logits(rig.session, expected, rig.vocabulary));
    CHECK_INT(nibble_session_length(rig.session), 250);
  }
  // What lies behind the window may go: the window itself only moves down.
  CHECK(nibble_session_shift(rig.session, 4, 100, NULL));
  append(check, rig.session, text + 250, 50);
  rig_close(&rig);
}

// With norms of keys behind their rotation.
static TinyModel normalised_behind_rope(void) {
  TinyModel model = tiny_model(&tiny_configs[0]);
  const int head_size =
      tiny_configs[0].head_size > 0 ? tiny_configs[0].head_size : tiny_configs[0].width / tiny_configs[0].heads;
  tiny_set_family(&model, "hunyuan-dense");
  for (int block = 0; block < (tiny_configs[0].blocks > 0 ? tiny_configs[0].blocks : 2); block++) {
    char name[64];
    snprintf(name, sizeof name, "blk.%d.attn_q_norm.weight", block);
    tiny_add(&model, name, head_size, 0, GGML_F32);
    snprintf(name, sizeof name, "blk.%d.attn_k_norm.weight", block);
    tiny_add(&model, name, head_size, 0, GGML_F32);
  }
  return model;
}

// Such keys are turned by taking the norm's weights off, which 0 does not let.
TEST(refuses_shifts_of_keys_that_are_normalised_behind_rope_by_zeros) {
  Rig rig;
  const NibbleOptions options = options_with(NIBBLE_KV_F16);
  TinyModel model = normalised_behind_rope();
  rig_open(check, &rig, &model, &options, SIZE_MAX / 2);
  int32_t some[100];
  fill_text(some, 100, rig.vocabulary);
  append(check, rig.session, some, 100);
  CHECK(nibble_session_shift(rig.session, 4, 20, NULL));
  CHECK_INT(nibble_session_length(rig.session), 80);
  rig_close(&rig);
  tiny_tensor(&model, "blk.1.attn_k_norm.weight")->zeros = true;
  rig_open(check, &rig, &model, &options, SIZE_MAX / 2);
  int32_t text[100];
  fill_text(text, 100, rig.vocabulary);
  append(check, rig.session, text, 100);
  float expected[MOST_VOCABULARY];
  keep_logits(check, &rig, expected);
  NibbleError error = {.code = NIBBLE_OK};
  CHECK(!nibble_session_shift(rig.session, 4, 20, &error));
  CHECK_STR(nibble_error_name((int)error.code), "INVALID_ARGUMENT");
  CHECK(strstr(error.message, "hunyuan-dense") != NULL);
  CHECK(same_logits(rig.session, expected, rig.vocabulary));
  CHECK_INT(nibble_session_length(rig.session), 100);
  rig_close(&rig);
}

int main(void) {
  Check check = {0};
  RUN(&check, forks_go_on_as_sessions_of_their_own_would);
  RUN(&check, forks_outlive_what_they_came_from);
  RUN(&check, forks_share_pages_until_one_writes);
  RUN(&check, forks_of_full_sessions_are_full);
  RUN(&check, windows_hold_only_their_window);
  RUN(&check, shifts_as_streaming_llm_does);
  RUN(&check, shifts_rounded_keys_closely);
  RUN(&check, shifts_leave_forks_alone);
  RUN(&check, refuses_shifts_that_cannot_be);
  RUN(&check, refuses_shifts_of_keys_that_are_normalised_behind_rope_by_zeros);
  return check_finish(&check);
}
