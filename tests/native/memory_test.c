// An engine takes no more memory than it tells beforehand, by the bytes that it asks the allocator for.
#include <stdlib.h>

#include "check.h"
#include "engine.h"
#include "refusals.h"
#include "streamer.h"

enum { CONTEXT = 1024 };

// What the caller of a pass holds for each token: the token, a target and a score.
enum { CALLER_TOKEN_BYTES = 12 };

static uint64_t total(const NibbleMemory *memory) {
  return memory->weights + memory->ring + memory->kv_cache + memory->activations + memory->other;
}

// What is taken beyond what an engine without sessions takes, by a session and a pass over a whole context.
static uint64_t bytes_of_a_pass(Check *check, Streamer *streamer, bool scored) {
  int32_t text[CONTEXT];
  float scores[CONTEXT];
  fill_text(text, CONTEXT, MOST_VOCABULARY);
  nibble_session_free(streamer->session);
  streamer->session = NULL;
  refusing = true;
  const long long before = atomic_load(&bytes_taken);
  streamer->session = nibble_session_create(streamer->engine, NULL);
  if (CHECK(streamer->session != NULL)) pass_over(check, streamer, text, CONTEXT, scored ? text : NULL, scores);
  refusing = false;
  return (uint64_t)(atomic_load(&bytes_taken) - before);
}

TEST(takes_what_it_tells_whether_weights_stream_and_tokens_are_scored_or_not) {
  const TinyConfig config = {.width = 32,
                             .feed_forward = 64,
                             .heads = 2,
                             .kv_heads = 1,
                             .vocabulary = MOST_VOCABULARY,
                             .blocks = 6,
                             .context = CONTEXT,
                             .type = GGML_Q4_0};
  enum { STEPS = 6 };
  NibbleOptions options = tiny_options();
  options.context_size = options.batch_size = CONTEXT;
  Rig rig;
  open_config(check, &rig, &config, &options);
  int streamed_outputs = 0;
  for (int i = 0; i <= 2 * STEPS + 1; i += check_stride(5)) {
    options.memory_budget = budget_at(&rig, &options, i / 2, STEPS);
    NibbleMemory planned, empty;
    Streamer streamer;
    CHECK(nibble_describe(&rig.tiny.gguf, &options, NULL, &planned, NULL));
    if (!streamer_open(check, &streamer, &rig, &options)) break;
    streamed_outputs += streamer.info.budget.output_streams;
    nibble_session_free(streamer.session);
    streamer.session = NULL;
    nibble_engine_memory(streamer.engine, &empty);
    const uint64_t taken = bytes_of_a_pass(check, &streamer, i % 2 == 1) + CONTEXT * CALLER_TOKEN_BYTES;
    if (!CHECK(total(&empty) + taken <= total(&planned)))
      printf("  budget %d: %llu and %llu are taken, %llu were told\n", i, (unsigned long long)total(&empty),
             (unsigned long long)taken, (unsigned long long)total(&planned));
    streamer_close(&streamer);
  }
  CHECK(streamed_outputs > 0);
  rig_close(&rig);
}

int main(void) {
  Check check = {0};
  RUN(&check, takes_what_it_tells_whether_weights_stream_and_tokens_are_scored_or_not);
  return check_finish(&check);
}
