// What is left after a shift: how far it can be taken back, shifted again, saved and gone on with, above all where
// layers have windows and let go of tokens.
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "engine.h"
#include "engine_fixture.h"

enum { TEXT = 512, MOST_BACK = 64 };

static const int windowed[] = {4, 6, 9};  // of tiny_configs: windows of 70, 5 and 260 tokens
enum { WINDOWED = sizeof windowed / sizeof *windowed };

// F16, INT8, and F32.
static NibbleOptions options_of(int type) {
  NibbleOptions options = tiny_options();
  options.exact = type == 2;
  options.kv_type = type == 1 ? NIBBLE_KV_INT8 : NIBBLE_KV_DEFAULT;
  options.batch_size = 50;
  return options;
}

static NibbleSession *fork_of(Check *check, const NibbleSession *session) {
  NibbleSession *fork = nibble_session_fork(session, NULL);
  if (!CHECK(fork != NULL)) abort();
  return fork;
}

typedef struct {
  int total, keep, drop;
} Shift;

static const Shift shifts[] = {{350, 4, 100}, {350, 4, 64}, {400, 0, 1}, {340, 70, 130}, {384, 64, 128}};

// Takes back 1 to 64 tokens behind the shift, and goes on as a session does that never had them.
static void take_back(Check *check, const TinyConfig *config, const NibbleOptions *options, const Shift *shift) {
  Rig rig;
  int32_t text[TEXT];
  open_config(check, &rig, config, options);
  fill_text(text, TEXT, rig.vocabulary);
  NibbleSession *shorter = nibble_session_create(rig.engine, NULL);
  append(check, rig.session, text, shift->total);
  CHECK(nibble_session_shift(rig.session, shift->keep, shift->drop, NULL));
  append(check, shorter, text, shift->total - MOST_BACK);
  for (int back = MOST_BACK; back > 0; back--) {
    NibbleSession *taken = fork_of(check, rig.session), *without = fork_of(check, shorter);
    const int left = shift->total - shift->drop - back;
    CHECK_INT(nibble_session_truncate(taken, left), left);
    CHECK(nibble_session_shift(without, shift->keep, shift->drop, NULL));
    append(check, taken, text + 100, 2);
    append(check, without, text + 100, 2);
    if (!CHECK(same_logits(taken, nibble_session_logits(without), rig.vocabulary)))
      printf("  window %d, %d of %d dropped behind %d, %d taken back\n", config->sliding_window, shift->drop,
             shift->total, shift->keep, back);
    nibble_session_free(taken);
    nibble_session_free(without);
    append(check, shorter, text + shift->total - back, 1);
  }
  nibble_session_free(shorter);
  rig_close(&rig);
}

TEST(tokens_can_be_taken_back_behind_a_shift) {
  for (int w = 0; w < WINDOWED; w++)
    for (size_t s = (size_t)w % 2; s < sizeof shifts / sizeof *shifts; s += 2) {
      const NibbleOptions options = options_of((w + (int)s / 2) % 3);
      take_back(check, &tiny_configs[windowed[w]], &options, &shifts[s]);
    }
}

// Dropping one stretch and then another is dropping the other and then the one, but for the rounding of the keys.
TEST(a_second_shift_gives_what_the_two_give_in_the_other_order) {
  const int keeps[] = {4, 5, 60, 64, 100, 130, 180}, drops[] = {1, 10, 64, 70};
  int taken = 0;
  for (int w = 0; w < WINDOWED; w++) {
    Rig rig;
    int32_t text[TEXT];
    const NibbleOptions options = options_of(2);
    open_config(check, &rig, &tiny_configs[windowed[w]], &options);
    fill_text(text, TEXT, rig.vocabulary);
    append(check, rig.session, text, 350);
    for (int k = 0; k < 7; k++)
      for (int d = 0; d < 4; d++) {
        NibbleSession *one = fork_of(check, rig.session), *other = fork_of(check, rig.session);
        CHECK(nibble_session_shift(one, 4, 100, NULL));
        if (nibble_session_shift(one, keeps[k], drops[d], NULL) &&
            CHECK(nibble_session_shift(other, keeps[k] + 100, drops[d], NULL)) &&
            CHECK(nibble_session_shift(other, 4, 100, NULL))) {
          taken++;
          append(check, one, text, 3);
          append(check, other, text, 3);
          double expected[MOST_VOCABULARY];
          for (int i = 0; i < rig.vocabulary; i++)
            expected[i] = nibble_session_logits(other)[i];
          const double share = error_share(nibble_session_logits(one), expected, rig.vocabulary);
          if (!CHECK(share < 3e-5)) printf("  %d dropped behind %d: %g\n", drops[d], keeps[k], share);
        }
        nibble_session_free(one);
        nibble_session_free(other);
      }
    rig_close(&rig);
  }
  CHECK(taken >= 50);
}

// The pages that a shift writes to take the places of those that it has read.
TEST(a_full_context_under_a_budget_can_be_shifted_again_and_again) {
  for (int i = 0; i < TINY_CONFIGS; i++) {
    NibbleOptions options = options_of(i % 2);
    options.memory_budget = 1u << 28;
    Rig rig;
    int32_t text[TEXT];
    open_config(check, &rig, &tiny_configs[i], &options);
    fill_text(text, TEXT, rig.vocabulary);
    append(check, rig.session, text, TEXT);
    for (int round = 0; round < 4; round += check_stride(2)) {
      NibbleError error = {.code = NIBBLE_OK};
      if (!CHECK(nibble_session_shift(rig.session, 4, 200, &error))) printf("  %s\n", error.message);
      append(check, rig.session, text, 200);
    }
    NibbleMemory memory;
    nibble_session_free(rig.session);
    rig.session = NULL;
    nibble_engine_memory(rig.engine, &memory);
    CHECK_INT((long long)memory.kv_cache, 0);
    rig_close(&rig);
  }
}

// Where tokens move to other places within their pages, two are read for one that is written.
TEST(a_context_with_a_window_under_a_budget_can_be_shifted_by_any_number_of_tokens) {
  const int windows[] = {5, 43, 64, 115, 240}, count = sizeof windows / sizeof *windows;
  for (int i = 0; i < 2 * count; i++) {
    TinyConfig config = {.width = 4, .feed_forward = 4, .heads = 1, .kv_heads = 1, .vocabulary = 5, .type = GGML_F32};
    config.sliding_window = windows[i / 2];
    NibbleOptions options = options_of(i % 2);
    options.batch_size = 1 + i % 8;
    options.memory_budget = 1u << 28;
    Rig rig;
    int32_t text[TEXT];
    open_config(check, &rig, &config, &options);
    fill_text(text, TEXT, rig.vocabulary);
    for (int drop = 61; drop <= 200; drop++) {
      NibbleError error = {.code = NIBBLE_OK};
      append(check, rig.session, text, TEXT - drop % 61 - nibble_session_length(rig.session));
      if (CHECK(nibble_session_shift(rig.session, 4, drop, &error))) continue;
      printf("  with a window of %d tokens: %s\n", config.sliding_window, error.message);
      break;
    }
    rig_close(&rig);
  }
}

typedef struct {
  uint8_t *bytes;
  size_t count;
} Image;

static Image save(Check *check, const NibbleSession *session) {
  NibbleSave *saving = nibble_save_create(session, NULL);
  if (!CHECK(saving != NULL)) abort();
  Image image = {.count = (size_t)nibble_save_bytes(saving)};
  image.bytes = malloc(image.count);
  if (image.bytes == NULL) abort();
  CHECK_INT((long long)nibble_save_read(saving, image.bytes, image.count), (long long)image.count);
  nibble_save_free(saving);
  return image;
}

static NibbleSession *restore(Check *check, NibbleEngine *engine, const Image *image) {
  NibbleRestore *restoring = nibble_restore_create(engine, NULL);
  CHECK(nibble_restore_write(restoring, image->bytes, image->count, NULL));
  NibbleSession *session = nibble_restore_finish(restoring, NULL);
  nibble_restore_free(restoring);
  if (!CHECK(session != NULL)) abort();
  return session;
}

TEST(a_shifted_session_is_saved_with_what_it_has) {
  for (int w = 0; w < WINDOWED; w++)
    for (int back = 0; back <= MOST_BACK; back += 8) {
      const NibbleOptions options = options_of(back / 8 % 3);
      Rig rig;
      int32_t text[TEXT];
      open_config(check, &rig, &tiny_configs[windowed[w]], &options);
      fill_text(text, TEXT, rig.vocabulary);
      append(check, rig.session, text, 350);
      CHECK(nibble_session_shift(rig.session, 4, 100, NULL));
      CHECK_INT(nibble_session_truncate(rig.session, 250 - back), 250 - back);
      const Image image = save(check, rig.session);
      NibbleSession *again = restore(check, rig.engine, &image);
      const Image second = save(check, again);
      CHECK(second.count == image.count && memcmp(second.bytes, image.bytes, image.count) == 0);
      NibbleError one = {.code = NIBBLE_OK}, other = {.code = NIBBLE_OK};
      // Without the page behind the window it may be refused what the first can do, but never do it wrongly.
      if (nibble_session_shift(again, 10, 30, &one)) CHECK(nibble_session_shift(rig.session, 10, 30, &other));
      append(check, again, text, 3);
      if (nibble_session_length(rig.session) + 3 != nibble_session_length(again)) abort();
      append(check, rig.session, text, 3);
      CHECK(same_logits(again, nibble_session_logits(rig.session), rig.vocabulary));
      free(image.bytes);
      free(second.bytes);
      nibble_session_free(again);
      rig_close(&rig);
    }
}

// Where a token sees itself alone, a restored session has nothing to move: not even the page that the next token goes
// to.
TEST(a_window_of_one_token_can_be_shifted) {
  const TinyConfig config = {
      .width = 32, .feed_forward = 64, .heads = 2, .kv_heads = 2, .vocabulary = 50, .sliding_window = 1};
  for (int total = 190; total < 195; total++)
    for (int keep = 0; keep <= 64; keep += 32) {
      const NibbleOptions options = options_of(total % 3);
      Rig rig;
      int32_t text[TEXT];
      open_config(check, &rig, &config, &options);
      fill_text(text, TEXT, rig.vocabulary);
      append(check, rig.session, text, total);
      const Image image = save(check, rig.session);
      NibbleSession *again = restore(check, rig.engine, &image);
      CHECK(nibble_session_shift(again, keep, 100, NULL) && nibble_session_shift(rig.session, keep, 100, NULL));
      const Image shifted = save(check, again);
      append(check, again, text, 3);
      append(check, rig.session, text, 3);
      CHECK(same_logits(again, nibble_session_logits(rig.session), rig.vocabulary));
      free(image.bytes);
      free(shifted.bytes);
      nibble_session_free(again);
      rig_close(&rig);
    }
}

int main(void) {
  Check check = {0};
  RUN(&check, tokens_can_be_taken_back_behind_a_shift);
  RUN(&check, a_second_shift_gives_what_the_two_give_in_the_other_order);
  RUN(&check, a_full_context_under_a_budget_can_be_shifted_again_and_again);
  RUN(&check, a_context_with_a_window_under_a_budget_can_be_shifted_by_any_number_of_tokens);
  RUN(&check, a_shifted_session_is_saved_with_what_it_has);
  RUN(&check, a_window_of_one_token_can_be_shifted);
  return check_finish(&check);
}
