#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine_state.h"
#include "kv_shift.h"

static uint64_t session_bytes(const NibbleEngine *engine) {
  const uint64_t context = (uint64_t)engine->run.context_size, layers = (uint64_t)engine->kv_shape.layers;
  const uint64_t pages = (uint64_t)kv_page_count(engine->run.context_size);
  return sizeof(NibbleSession) + engine_logits_bytes(&engine->model.shape) + context * sizeof(int32_t) +
         layers * (pages * sizeof(uint8_t *) + sizeof(int));
}

NibbleSession *nibble_session_create(NibbleEngine *engine, NibbleError *error) {
  NibbleSession *session = calloc(1, sizeof *session);
  if (session != NULL) {
    session->engine = engine;
    session->logits = calloc(1, (size_t)engine_logits_bytes(&engine->model.shape));
    session->tokens = malloc((size_t)engine->run.context_size * sizeof *session->tokens);
  }
  if (session == NULL || session->logits == NULL || session->tokens == NULL) {
    if (session != NULL) free(session->logits), free(session->tokens);
    free(session);
    nibble_fail(error, NIBBLE_OUT_OF_MEMORY,
                "No memory is left for a session. Close other sessions or models first, or create the engine with a "
                "larger memory budget where it has one.");
    return NULL;
  }
  engine->session_bytes += session_bytes(engine);
  if (kv_table_create(&session->kv, engine->pool, &engine->kv_shape, engine->run.context_size, error)) return session;
  nibble_session_free(session);
  return NULL;
}

void nibble_session_free(NibbleSession *session) {
  if (session == NULL) return;
  session->engine->session_bytes -= session_bytes(session->engine);
  kv_table_free(&session->kv);
  kv_pool_trim(session->engine->pool);
  free(session->logits);
  free(session->tokens);
  free(session);
}

// Between two steps of a pass its session is neither as it was nor as it will be.
static bool check_idle(const NibbleSession *session, NibbleError *error) {
  return !session->in_pass ||
         nibble_fail(error, NIBBLE_INVALID_ARGUMENT, "A pass is under way in this session. Finish it first.");
}

NibbleSession *nibble_session_fork(const NibbleSession *session, NibbleError *error) {
  if (!check_idle(session, error)) return NULL;
  NibbleSession *fork = nibble_session_create(session->engine, error);
  if (fork == NULL) return NULL;
  kv_table_share(&fork->kv, &session->kv);
  fork->length = session->length;
  memcpy(fork->tokens, session->tokens, (size_t)session->length * sizeof *session->tokens);
  fork->has_logits = session->has_logits;
  if (session->has_logits)
    memcpy(fork->logits, session->logits, (size_t)engine_logits_bytes(&session->engine->model.shape));
  return fork;
}

bool engine_check_tokens(const NibbleSession *session, const int32_t *tokens, int count, const int32_t *targets,
                         NibbleError *error) {
  const Run *run = &session->engine->run;
  const int vocabulary = session->engine->model.shape.vocabulary;
  if (count < 1) return nibble_fail(error, NIBBLE_INVALID_ARGUMENT, "There are no tokens to evaluate: %d.", count);
  for (int i = 0; i < count; i++) {
    const bool token_fits = tokens[i] >= 0 && tokens[i] < vocabulary;
    if (token_fits && (targets == NULL || targets[i] < vocabulary)) continue;
    return nibble_fail(error, NIBBLE_INVALID_ARGUMENT,
                       "%s %d (the one at index %d) is not in the vocabulary, which has %d tokens.",
                       token_fits ? "Target" : "Token", token_fits ? targets[i] : tokens[i], i, vocabulary);
  }
  if (count <= run->context_size - session->length) return true;
  return nibble_fail(error, NIBBLE_CONTEXT_FULL,
                     "The context holds %d tokens and has %d; %d more do not fit. Shorten the text, or load the model "
                     "with a larger context.",
                     run->context_size, session->length, count);
}

const float *nibble_session_logits(const NibbleSession *session) {
  return session->has_logits ? session->logits : NULL;
}

int nibble_session_length(const NibbleSession *session) { return session->length; }

const int32_t *nibble_session_tokens(const NibbleSession *session) { return session->tokens; }

int nibble_session_truncate(NibbleSession *session, int length) {
  if (length < 0) length = 0;
  if (length >= session->length || session->in_pass) return session->length;
  if (!kv_table_reaches(&session->kv, length)) length = 0;
  session->length = length;
  session->has_logits = false;
  kv_table_shrink(&session->kv, length);
  // What a pass of another session has reserved is spare, too.
  if (session->engine->pass == NULL) kv_pool_trim(session->engine->pool);
  return length;
}

// Whether the weights of the keys' norms can be taken off keys.
static bool has_key_weights(const NibbleEngine *engine) {
  const Model *model = &engine->model;
  bool found = engine->arrived && !model->residency.streams;
  for (int i = 0; found && i < model->shape.blocks; i++)
    for (int d = 0; found && d < model->shape.block[i].key_size; d++)
      found = fabsf(model->blocks[i].key_norm.weight[d]) > 1e-20f;
  return found;
}

bool nibble_session_shift(NibbleSession *session, int keep, int drop, NibbleError *error) {
  const Run *run = &session->engine->run;
  const int pairs = run->ropes[ROPE_OF_ALL].pairs;
  if (!check_idle(session, error)) return false;
  if (keep < 0 || drop < 1 || keep > session->length || drop > session->length - keep)
    return nibble_fail(error, NIBBLE_INVALID_ARGUMENT,
                       "%d tokens behind the first %d cannot be dropped: the session has %d. Drop at least one, and no "
                       "more than there are.",
                       drop, keep, session->length);
  const Architecture *family = run->model->shape.architecture;
  if (family->learned_positions)
    return nibble_fail(
        error, NIBBLE_INVALID_ARGUMENT,
        "A %s model reads positions with the tokens, so that what is kept of them cannot be moved. Begin "
        "anew with the text that is to be kept.",
        family->name);
  if (family->head_norms == HEAD_NORMS_BEHIND_ROPE && !has_key_weights(session->engine))
    return nibble_fail(
        error, NIBBLE_INVALID_ARGUMENT,
        "The keys of a %s model are normalised behind their rotation, by weights that are 0 or not in memory now, "
        "so that those that are kept cannot be moved. Begin anew with the text that is to be kept.",
        family->name);
  float *angles = malloc(2 * ROPES * (size_t)pairs * sizeof *angles);
  if (angles == NULL) return nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left to shift a session.");
  KvRotation rotation = {.kernels = run->kernels, .model = run->model, .pairs = pairs};
  for (int rope = 0; rope < ROPES; rope++) {
    float *cosine = angles + 2 * rope * pairs, *sine = cosine + pairs;
    // The stored keys carry the magnitude already.
    const Rope turn = {pairs, run->ropes[rope].frequencies, 1};
    if (turn.frequencies != NULL) rope_angles(&turn, -drop, cosine, sine);
    rotation.cosine[rope] = cosine;
    rotation.sine[rope] = sine;
  }
  const bool shifted = kv_table_shift(&session->kv, session->length, keep, drop, &rotation, error);
  free(angles);
  if (!shifted) return false;
  memmove(session->tokens + keep, session->tokens + keep + drop,
          (size_t)(session->length - keep - drop) * sizeof *session->tokens);
  session->length -= drop;
  session->has_logits = false;
  return true;
}
