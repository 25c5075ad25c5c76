// A model's life with any header: described, planned, loaded in pieces or under a memory budget, evaluated, sampled
// from, shifted, truncated, saved and restored. An input is a FuzzModelControl and the header; tensors have bytes of
// our own making, since a model of some kilobytes would leave nothing for the header. What takes too long or too much
// is left out.
#include <math.h>

#include "engine.h"
#include "fuzz_model.h"
#include "fuzz_target.h"

const size_t fuzz_header_at = sizeof(FuzzModelControl);

#define FILE_BYTES ((uint64_t)1 << 62)
enum { MOST_DATA = 2 << 20, MOST_MEMORY = 48 << 20, MOST_LAYERS = 48, MOST_TOKENS = 80, MOST_WORK = 24 << 20 };

// A model whose bytes are all there.
typedef struct {
  FuzzModelControl control;
  Gguf gguf;
  uint8_t *file;
  NibbleOptions options;
  NibbleModelInfo info;
} Case;

static uint64_t data_end(const Gguf *gguf) {
  uint64_t end = gguf->data_offset;
  for (size_t i = 0; i < gguf->tensor_count; i++)
    if (gguf->tensors[i].offset + gguf->tensors[i].bytes > end) end = gguf->tensors[i].offset + gguf->tensors[i].bytes;
  return end;
}

// How the tensors' bytes are made, from FuzzModelControl.data.
enum { DATA_FINITE, DATA_SMALL, DATA_ZERO, DATA_NAN, DATA_RANDOM, DATA_WAYS };

// Random bits: without bit 6 no number of any format is infinite or NaN.
static void fill_data(uint8_t *bytes, size_t count, const FuzzModelControl *control) {
  uint64_t state = control->seed;
  for (size_t i = 0; i < count; i++) {
    const uint8_t random = (uint8_t)fuzz_random(&state);
    const uint8_t values[DATA_WAYS] = {random & 0xbf, random & 0x2f, 0, 0xff, random};
    bytes[i] = values[control->data % DATA_WAYS];
  }
}

static NibbleOptions options_of(const FuzzModelControl *control) {
  return (NibbleOptions){.threads = 1 + control->kind / 4 % 2,
                         .exact = control->kind / 8 % 4 == 3,
                         .kv_type = (NibbleKvType)(control->kind % 3),
                         .kernel_set = "reference",
                         .context_size = control->context,
                         .batch_size = control->batch};
}

// The header with a file of its own behind it. False where it is none, or one of too large a file.
static bool open_case(Case *tried, const uint8_t *data, size_t size) {
  if (size < sizeof(FuzzModelControl)) return false;
  *tried = (Case){.file = NULL};
  memcpy(&tried->control, data, sizeof(FuzzModelControl));
  tried->options = options_of(&tried->control);
  const uint8_t *header = data + sizeof(FuzzModelControl);
  const size_t available = size - sizeof(FuzzModelControl);
  if (!gguf_parse(header, available, FILE_BYTES, &tried->gguf, NULL)) return false;
  const uint64_t begin = tried->gguf.data_offset, end = data_end(&tried->gguf);
  gguf_free(&tried->gguf);
  if (end - begin > MOST_DATA) return false;
  tried->file = calloc(1, (size_t)end);
  PROMISE(tried->file != NULL);
  memcpy(tried->file, header, available < end ? available : (size_t)end);
  fill_data(tried->file + begin, (size_t)(end - begin), &tried->control);
  PROMISE(gguf_parse(tried->file, (size_t)end, end, &tried->gguf, NULL));
  return true;
}

static void close_case(Case *tried) {
  gguf_free(&tried->gguf);
  free(tried->file);
}

static uint64_t sum(const NibbleMemory *memory) {
  return memory->weights + memory->ring + memory->kv_cache + memory->activations + memory->other;
}

static bool describe_with(Case *tried, uint64_t budget, NibbleMemory *memory) {
  NibbleError error = {.code = NIBBLE_OK};
  tried->options.memory_budget = budget;
  const bool described = nibble_describe(&tried->gguf, &tried->options, &tried->info, memory, &error);
  PROMISE(described == (error.code == NIBBLE_OK) && described == (error.message[0] == '\0'));
  PROMISE(nibble_describe(&tried->gguf, &tried->options, NULL, NULL, NULL) == described);
  PROMISE(!described || budget == 0 || sum(memory) <= budget);
  return described;
}

// Without a budget, or with one from somewhat less than the least to what all of it takes.
static bool describe(Case *tried, NibbleMemory *memory) {
  if (!describe_with(tried, 0, memory)) return false;
  if (tried->control.budget == 0) return true;
  if (tried->options.context_size == 0) tried->options.context_size = tried->info.context_size;
  if (!describe_with(tried, UINT64_MAX, memory)) return false;
  const uint64_t most = sum(memory), least = tried->info.budget.least_budget, begin = least - least / 64;
  return describe_with(tried, begin + (most > begin ? most - begin : 0) / 255 * tried->control.budget, memory);
}

static void check_info(const NibbleModelInfo *info) {
  PROMISE(info->width > 0 && info->blocks > 0 && info->layers >= info->blocks && info->vocabulary > 0);
  PROMISE(info->heads > 0 && info->kv_heads > 0 && info->heads % info->kv_heads == 0 && info->head_size > 0);
  PROMISE(info->context_size > 0 && info->context_size <= info->trained_context && info->sliding_window >= 0);
  // Rows of the embedding need no ring.
  const bool rings = info->budget.streamed_blocks > 0 || info->budget.output_streams;
  PROMISE(!rings || (info->budget.streams && info->budget.slots > 0 && info->budget.slot_bytes > 0));
}

// Tokens that do not take too long, and leave room for one more.
static int token_count(const Case *tried) {
  const NibbleModelInfo *info = &tried->info;
  uint64_t most = 1 + MOST_WORK / (info->bytes_per_token + 1024 * (uint64_t)info->layers);
  if (most > MOST_TOKENS) most = MOST_TOKENS;
  const int wanted = 1 + tried->control.tokens % (int)most, room = info->context_size - 1;
  return wanted < room ? wanted : room;
}

// Whether weights are taken: all are whose numbers are finite, but for the factors of position angles.
static bool taken(const Case *tried, bool done, const NibbleError *error) {
  PROMISE(done || error->code == NIBBLE_MODEL_BAD_TENSOR);
  const bool finite = tried->control.data % DATA_WAYS < DATA_NAN;
  PROMISE(done || !finite || gguf_find_tensor(&tried->gguf, "rope_freqs.weight") != NULL);
  return done;
}

// A pass that is taken while the weights arrive.
typedef struct {
  NibbleSession *session;
  NibblePass *pass;
  int32_t tokens[MOST_TOKENS];
  int count;
} EarlyPass;

// Takes the steps whose weights are there.
static void go_on_early(const Case *tried, EarlyPass *early, const NibbleEngine *engine) {
  NibbleError error = {.code = NIBBLE_OK};
  if (early->session == NULL) return;
  const uint64_t there = nibble_engine_position(engine);
  if (early->pass == NULL && there >= nibble_engine_needs(engine, -1)) {
    early->pass = nibble_pass_begin(early->session, early->tokens, early->count, NULL, NULL, &error);
    taken(tried, early->pass != NULL, &error);
  }
  while (early->pass != NULL && nibble_pass_next(early->pass) != NIBBLE_PASS_DONE &&
         there >= nibble_engine_needs(engine, nibble_pass_blocks(early->pass)))
    nibble_pass_step(early->pass, 0);
}

// Loads the file's data in pieces, each in a block of its own.
static bool load(const Case *tried, NibbleEngine *engine) {
  const FuzzModelControl *control = &tried->control;
  EarlyPass early = {.count = token_count(tried)};
  if (control->piece % 2 == 1 && early.count > 0) early.session = nibble_session_create(engine, NULL);
  const size_t begin = (size_t)tried->gguf.data_offset, end = (size_t)tried->gguf.file_size;
  const size_t piece = (end - begin) / (1 + control->piece % 16) + control->piece + 1;
  NibbleError error = {.code = NIBBLE_OK};
  bool good = true;
  for (size_t at = begin; good && at < end; at += piece) {
    const size_t count = end - at < piece ? end - at : piece;
    uint8_t *copy = fuzz_copy(tried->file + at, count);
    good = taken(tried, nibble_engine_load(engine, copy, count, &error), &error);
    free(copy);
    if (good) go_on_early(tried, &early, engine);
  }
  PROMISE(!good || nibble_engine_remaining(engine) == 0);
  const bool passed = early.pass != NULL && nibble_pass_next(early.pass) == NIBBLE_PASS_DONE;
  PROMISE(passed || !good || early.pass == NULL);
  const int done = passed ? early.count : 0;
  nibble_pass_finish(early.pass);
  PROMISE(early.session == NULL || nibble_session_length(early.session) == done);
  nibble_session_free(early.session);
  return good;
}

// Whether a model has computed NaN, and nothing above minus infinity.
static bool has_no_logit(const float *logits, int vocabulary) {
  bool has_nan = false;
  for (int i = 0; i < vocabulary; i++) {
    if (logits[i] > -INFINITY) return false;
    has_nan |= isnan(logits[i]);
  }
  return has_nan;
}

static void sample(const Case *tried, const float *logits) {
  const FuzzModelControl *control = &tried->control;
  NibbleSamplerOptions options = nibble_sampler_defaults();
  options.top_k = control->top_k;
  options.top_p = (float)(1 + control->heat % 16) / 16;
  options.min_p = control->heat % 3 == 0 ? 0.1f : 0;
  options.temperature = (float)(control->heat / 64);
  options.repetition_penalty = 1.25f;
  NibbleSampler *sampler = nibble_sampler_create(&options, tried->info.vocabulary, NULL);
  PROMISE(sampler != NULL);
  for (int i = 0; i < 3; i++) {
    const int token = nibble_sampler_sample(sampler, logits, NULL);
    // Penalties may lower the last that is left to minus infinity.
    PROMISE(i > 0 || (token == NIBBLE_NO_LOGIT) == has_no_logit(logits, tried->info.vocabulary));
    if (token == NIBBLE_NO_LOGIT) break;
    PROMISE(token >= 0 && token < tried->info.vocabulary);
    PROMISE(nibble_sampler_accept(sampler, token, NULL));
  }
  nibble_sampler_free(sampler);
}

// A session in all that sessions do; `store` has the packed bytes of an engine that streams.
static void live(const Case *tried, NibbleEngine *engine, const uint8_t *store) {
  NibbleSession *session = nibble_session_create(engine, NULL);
  PROMISE(session != NULL);
  const int vocabulary = tried->info.vocabulary, count = token_count(tried);
  int32_t tokens[MOST_TOKENS];
  uint64_t state = tried->control.seed;
  for (int i = 0; i < count; i++)
    tokens[i] = (int32_t)(fuzz_random(&state) % (uint32_t)vocabulary);
  const FuzzModel model = {engine, &tried->info, store, tried->control.budget > 0};
  PROMISE(fuzz_evaluate(&model, session, tokens, count));
  PROMISE(nibble_session_length(session) == count);
  const float *logits = nibble_session_logits(session);
  if (count > 0) {
    PROMISE(logits != NULL);
    sample(tried, logits);
  }
  const int keep = tried->control.keep % (count + 1), drop = tried->control.drop % (count - keep + 1);
  if (drop > 0 && nibble_session_shift(session, keep, drop, NULL))
    PROMISE(nibble_session_length(session) == count - drop);
  fuzz_evaluate(&model, session, tokens, count > 0 ? 1 : 0);
  nibble_session_truncate(session, tried->control.truncate % (count + 1));
  fuzz_save_and_restore(&model, session);
  nibble_session_free(session);
}

// An engine without its weights computes nothing.
static void check_incomplete(NibbleEngine *engine) {
  NibbleError error = {.code = NIBBLE_OK};
  NibbleSession *session = nibble_session_create(engine, NULL);
  const int32_t token = 0;
  PROMISE(session != NULL && !nibble_session_evaluate(session, &token, 1, NULL, NULL, &error));
  PROMISE(error.code == NIBBLE_MODEL_INCOMPLETE);
  nibble_session_free(session);
}

static bool run_case(const Case *tried) {
  NibbleError error = {.code = NIBBLE_OK};
  NibbleEngine *engine = nibble_engine_create(&tried->gguf, &tried->options, &error);
  PROMISE(engine != NULL || error.code == NIBBLE_OUT_OF_MEMORY);
  if (engine == NULL) return false;
  uint8_t *store = NULL;
  bool good;
  check_incomplete(engine);
  if (tried->info.budget.streams) {
    store = fuzz_pack(&tried->gguf, tried->file, tried->info.packed_bytes, &error);
    good = taken(tried, store != NULL, &error);
    if (good) {
      fuzz_fill(engine, store, tried->info.packed_bytes);
      good = taken(tried, nibble_engine_finish(engine, &error), &error);
    }
  } else {
    good = load(tried, engine);
  }
  if (good)
    live(tried, engine, store);
  else
    check_incomplete(engine);
  nibble_engine_free(engine);
  free(store);
  return good;
}

bool fuzz_one(const uint8_t *data, size_t size) {
  Case tried;
  if (!open_case(&tried, data, size)) return false;
  NibbleMemory memory;
  bool whole = describe(&tried, &memory);
  if (whole) {
    check_info(&tried.info);
    whole = sum(&memory) <= MOST_MEMORY && tried.info.layers <= MOST_LAYERS && run_case(&tried);
  }
  close_case(&tried);
  return whole;
}
