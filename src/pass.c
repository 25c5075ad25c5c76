// A pass: tokens on their way through the model, all of them through one step before the next step begins, and in each
// step one batch behind the other. The residual stream of all tokens is held; keys and values lie in the pages already,
// so a later batch finds those of an earlier one as if the batches had gone through one by one. So results do not
// depend on how tokens are shared out among passes and batches, and there is one order in which they are computed:
//
//   rows     embeddings, where the embedding is read row by row; else the first step looks them up
//   blocks   a step for each block, in each loop
//   output   logits of the last token, and of those with a target; in pieces where the output streams
//
// nibble_session_evaluate() is a pass for each batch, from beginning to end. Other passes are made step by step: by
// their caller, or by the engine's driver.
#include <stdlib.h>
#include <string.h>

#include "engine_state.h"
#include "forward.h"
#include "segment.h"
#include "zeroed.h"

typedef enum { PASS_ROWS, PASS_BLOCKS, PASS_OUTPUT, PASS_DONE } PassStage;

struct NibblePass {
  NibbleSession *session;
  const int32_t *tokens;
  int count;
  const int32_t *targets;
  float *log_probabilities;

  bool goes_on;  // another pass follows at once: nobody reads the logits of this one's last token
  bool drives;   // the engine's driver makes the steps
  PassStage stage;
  int rows;           // embeddings that are there
  int step, segment;  // the step through blocks that comes next; the segment, where something streams
  int round;          // through a streamed output

  float *residual;    /* [count, width_stride] the residual stream: the run's, or its own where that is too short */
  uint8_t *row_tiles; /* [ROWS_AT_ONCE, tile] */
  float *logits;      /* [logits_stride] of the last token */
  float *scored;      /* [SCORED_TOKENS, logits_stride]; NULL where there are no targets */
  Score *scores;      /* [count], where the output streams; NULL: none are needed */
};

static const Model *model_of(const NibblePass *pass) { return &pass->session->engine->model; }

static Run *run_of(const NibblePass *pass) { return &pass->session->engine->run; }

static bool owns_residual(const NibblePass *pass) { return pass->residual != run_of(pass)->residual; }

static void pass_free(NibblePass *pass) {
  if (owns_residual(pass)) free(pass->residual);
  free(pass->row_tiles);
  free(pass->logits);
  free(pass->scored);
  free(pass->scores);
  free(pass);
}

static uint64_t residual_row_bytes(const NibblePass *pass) {
  return (uint64_t)run_of(pass)->width_stride * sizeof(float);
}

static float *allocate_scored(const NibbleEngine *engine) {
  return malloc(SCORED_TOKENS * (size_t)engine_logits_bytes(&engine->model.shape));
}

static bool allocate_arrays(NibblePass *pass) {
  const Model *model = model_of(pass);
  const Run *run = run_of(pass);
  uint64_t position;
  pass->residual =
      pass->count <= run->sweep_size ? run->residual : zeroed((uint64_t)pass->count, residual_row_bytes(pass));
  if (pass->residual == NULL) return false;
  pass->logits = calloc(1, (size_t)engine_logits_bytes(&model->shape));
  if (pass->logits == NULL) return false;
  if (pass->targets != NULL && (pass->scored = allocate_scored(pass->session->engine)) == NULL) return false;
  if (pass->targets != NULL && model->residency.output_streams &&
      (pass->scores = zeroed((uint64_t)pass->count, sizeof *pass->scores)) == NULL)
    return false;
  return !model->residency.embedding_streams ||
         (pass->row_tiles = malloc(ROWS_AT_ONCE * (size_t)segment_embedding_tile(model, 0, &position))) != NULL;
}

// Makes the batch that begins at token `first` of the pass the one under way, and returns where the next one begins.
static int set_batch(NibblePass *pass, int first) {
  Run *run = run_of(pass);
  const int left = pass->count - first;
  run->kv = &pass->session->kv;
  run->tokens = pass->tokens + first;
  run->position = pass->session->length + first;
  run->count = left < run->batch_size ? left : run->batch_size;
  const bool has_last = run->count == left && !pass->goes_on;
  run->wanted = pass->targets != NULL ? 0 : has_last ? run->count - 1 : run->count;
  run->x = pass->residual + (size_t)first * (size_t)run->width_stride;
  return first + run->count;
}

static bool check_free(const NibbleSession *session, NibbleError *error) {
  return session->engine->pass == NULL ||
         nibble_fail(error, NIBBLE_INVALID_ARGUMENT, "A pass is under way in this engine. Finish it first.");
}

static bool check_count(const NibbleEngine *engine, int count, NibbleError *error) {
  return count <= engine->run.sweep_size || !engine->model.residency.streams ||
         nibble_fail(error, NIBBLE_INVALID_ARGUMENT, "A pass takes %d tokens at most; %d were given.",
                     engine->run.sweep_size, count);
}

NibblePass *nibble_pass_begin(NibbleSession *session, const int32_t *tokens, int count, const int32_t *targets,
                              float *log_probabilities, NibbleError *error) {
  NibbleEngine *engine = session->engine;
  if (!engine_check_tokens(session, tokens, count, targets, error) || !check_free(session, error) ||
      !check_count(engine, count, error) || !engine_prepare(engine, error))
    return NULL;
  engine_tune(engine);
  NibblePass *pass = calloc(1, sizeof *pass);
  if (pass != NULL)
    *pass = (NibblePass){.session = session,
                         .tokens = tokens,
                         .count = count,
                         .targets = targets,
                         .log_probabilities = log_probabilities,
                         .stage = engine->model.residency.embedding_streams ? PASS_ROWS : PASS_BLOCKS};
  if (pass == NULL || !allocate_arrays(pass)) {
    if (pass != NULL) pass_free(pass);
    nibble_fail(error, NIBBLE_OUT_OF_MEMORY,
                "No memory is left to compute tokens. Close other sessions and models first.");
    return NULL;
  }
  if (!kv_table_grow(&session->kv, session->length, session->length + count, error)) {
    pass_free(pass);
    return NULL;
  }
  engine->pass = pass;
  session->in_pass = true;
  engine->pass_bytes = owns_residual(pass) ? (uint64_t)pass->count * residual_row_bytes(pass) : 0;
  return pass;
}

int nibble_pass_next(const NibblePass *pass) {
  const Model *model = model_of(pass);
  switch (pass->stage) {
    case PASS_ROWS: return NIBBLE_PASS_ROWS;
    case PASS_BLOCKS:
      return model->blocks[pass->step % model->shape.blocks].streams ? pass->segment : NIBBLE_PASS_READY;
    case PASS_OUTPUT: return model->residency.output_streams ? pass->segment : NIBBLE_PASS_READY;
    default: return NIBBLE_PASS_DONE;
  }
}

uint8_t *nibble_pass_row(const NibblePass *pass, int index, uint64_t *position, uint64_t *length) {
  if (pass->stage != PASS_ROWS || index < 0 || index >= ROWS_AT_ONCE || index >= pass->count - pass->rows) return NULL;
  *length = segment_embedding_tile(model_of(pass), pass->tokens[pass->rows + index], position);
  return pass->row_tiles + (size_t)index * (size_t)*length;
}

static void step_rows(NibblePass *pass) {
  const Run *run = run_of(pass);
  const Matrix *embedding = &run->model->embedding;
  uint64_t position, length;
  int index = 0;
  for (const uint8_t *tile; (tile = nibble_pass_row(pass, index, &position, &length)) != NULL; index++) {
    float *x = pass->residual + (size_t)(pass->rows + index) * (size_t)run->width_stride;
    tile_unpack_row(embedding->kind, embedding->columns, tile, pass->tokens[pass->rows + index] % TILE_ROWS, x);
    forward_finish_embedding(run, pass->session->length + pass->rows + index, x, run->normed);
  }
  pass->rows += index;
  if (pass->rows == pass->count) pass->stage = PASS_BLOCKS;
}

// Computes the steps through blocks from the next one up to `end`.
static void compute_blocks(NibblePass *pass, int end) {
  const bool embeds = pass->step == 0 && !model_of(pass)->residency.embedding_streams;
  for (int next = 0; next < pass->count;) {
    next = set_batch(pass, next);
    forward_blocks(run_of(pass), pass->step, end, embeds);
  }
  pass->step = end;
  if (end == shape_steps(&model_of(pass)->shape)) pass->stage = PASS_OUTPUT;
}

static void step_block(NibblePass *pass, uint8_t *slot) {
  Model *model = &pass->session->engine->model;
  const int block = pass->step % model->shape.blocks;
  if (model->blocks[block].streams) {
    segment_place_block(model, block, slot);
    pass->segment++;
  }
  compute_blocks(pass, pass->step + 1);
}

// Takes in what rows `first_row` and on of the output, in pass->scored, tell of `count` tokens from token `first` on.
static void score_tokens(NibblePass *pass, int first, int count, const Matrix *output, int first_row, int stride) {
  for (int i = 0; i < count; i++) {
    const float *logits = pass->scored + (size_t)i * (size_t)stride;
    const int target = pass->targets[first + i];
    if (target < 0)
      pass->log_probabilities[first + i] = 0;
    else if (pass->scores == NULL)
      pass->log_probabilities[first + i] = score_log_probability(logits, output->rows, target);
    else if (pass->round == 0)
      score_find_largest(&pass->scores[first + i], logits, first_row, output->rows, target);
    else
      score_add(&pass->scores[first + i], logits, output->rows);
  }
}

static bool has_target(const int32_t *targets, int count) {
  for (int i = 0; i < count; i++)
    if (targets[i] >= 0) return true;
  return false;
}

// Scores all tokens with a target by rows of the output.
static void score_pass(NibblePass *pass, const Matrix *output, int first_row, int stride) {
  Run *run = run_of(pass);
  for (int begin = 0, next; begin < pass->count; begin = next) {
    next = set_batch(pass, begin);
    for (int first = 0; first < run->count; first += SCORED_TOKENS) {
      const int left = run->count - first, count = left < SCORED_TOKENS ? left : SCORED_TOKENS;
      if (has_target(pass->targets + begin + first, count))
        forward_output(run, first, count, output, first_row, pass->scored, stride);
      score_tokens(pass, begin + first, count, output, first_row, stride);
    }
  }
}

static void compute_last_logits(NibblePass *pass, const Matrix *output, int first_row) {
  set_batch(pass, pass->count - 1);
  forward_output(run_of(pass), 0, 1, output, first_row, pass->logits + first_row, run_of(pass)->logits_stride);
}

static void finish_scores(NibblePass *pass) {
  for (int i = 0; pass->scores != NULL && i < pass->count; i++) {
    if (pass->targets[i] >= 0) pass->log_probabilities[i] = score_result(&pass->scores[i]);
  }
}

static void step_output_piece(NibblePass *pass, uint8_t *slot) {
  const Model *model = model_of(pass);
  Segment segment, next;
  if (!segment_at(model, pass->segment, &segment)) return;
  const Matrix piece = segment_output(model, &segment, slot);
  const int first_row = segment.first_tile * TILE_ROWS;
  if (pass->round == 0) compute_last_logits(pass, &piece, first_row);
  if (pass->targets != NULL) score_pass(pass, &piece, first_row, segment.tiles * TILE_ROWS);
  if (segment_at(model, ++pass->segment, &next)) return;
  if (pass->targets != NULL && pass->round++ == 0) {
    while (segment_at(model, pass->segment - 1, &next) && next.stage == STAGE_OUTPUT)
      pass->segment--;
    return;
  }
  finish_scores(pass);
  pass->stage = PASS_DONE;
}

static void compute_output(NibblePass *pass) {
  const Matrix *output = &model_of(pass)->output;
  if (pass->targets != NULL) score_pass(pass, output, 0, run_of(pass)->logits_stride);
  if (!pass->goes_on) compute_last_logits(pass, output, 0);
  pass->stage = PASS_DONE;
}

void nibble_pass_step(NibblePass *pass, int slot) {
  uint8_t *bytes = nibble_pass_next(pass) >= 0 ? nibble_engine_slot(pass->session->engine, slot) : NULL;
  switch (pass->stage) {
    case PASS_ROWS: step_rows(pass); break;
    case PASS_BLOCKS: step_block(pass, bytes); break;
    case PASS_OUTPUT:
      if (model_of(pass)->residency.output_streams)
        step_output_piece(pass, bytes);
      else
        compute_output(pass);
      break;
    default: break;
  }
}

int nibble_pass_steps(const NibblePass *pass) { return shape_steps(&model_of(pass)->shape) + 1; }

int nibble_pass_blocks(const NibblePass *pass) { return pass->step; }

static void drive_step(void *pass) { nibble_pass_step(pass, 0); }

bool nibble_pass_drive(NibblePass *pass, int steps) {
  NibbleEngine *engine = pass->session->engine;
  if (model_of(pass)->residency.streams) return false;
  if (engine->driver == NULL && (engine->driver = driver_create()) == NULL) return false;
  if (!pass->drives) driver_begin(engine->driver, drive_step, pass);
  pass->drives = true;
  driver_allow(engine->driver, steps);
  return true;
}

int nibble_pass_driven(const NibblePass *pass) { return pass->drives ? driver_made(pass->session->engine->driver) : 0; }

bool nibble_pass_halt(NibblePass *pass) { return !pass->drives || driver_halt(pass->session->engine->driver); }

// Puts the tokens of a pass that is done on the timeline, and gives back the pages that they no longer need.
static void append_tokens(const NibblePass *pass) {
  NibbleSession *session = pass->session;
  memcpy(session->tokens + session->length, pass->tokens, (size_t)pass->count * sizeof *pass->tokens);
  session->length += pass->count;
  session->has_logits = !pass->goes_on;
  kv_table_release(&session->kv, session->length);
}

void nibble_pass_finish(NibblePass *pass) {
  if (pass == NULL) return;
  NibbleSession *session = pass->session;
  NibbleEngine *engine = session->engine;
  if (pass->drives) driver_rest(engine->driver);
  if (pass->stage == PASS_DONE) {
    append_tokens(pass);
    float *before = session->logits;
    session->logits = pass->logits;
    pass->logits = before;
  } else {
    kv_table_shrink(&session->kv, session->length);
    kv_pool_trim(engine->pool);
  }
  engine->run.x = engine->run.residual;
  engine->pass = NULL;
  session->in_pass = false;
  engine->pass_bytes = 0;
  pass_free(pass);
  engine_settle(engine);
}

// Nothing of it can fail behind the reservation, and nobody calls it off: so the session's own logits are written, and
// its timeline grows batch by batch.
static bool evaluate(NibbleSession *session, const int32_t *tokens, int count, const int32_t *targets,
                     float *log_probabilities, float *scored, NibbleError *error) {
  const Run *run = &session->engine->run;
  if (!kv_table_reserve(&session->kv, session->length, session->length + count, run->batch_size, error)) return false;
  for (int done = 0, batch; done < count; done += batch) {
    batch = count - done < run->batch_size ? count - done : run->batch_size;
    NibblePass pass = {.session = session,
                       .tokens = tokens + done,
                       .count = batch,
                       .targets = targets != NULL ? targets + done : NULL,
                       .log_probabilities = targets != NULL ? log_probabilities + done : NULL,
                       .goes_on = done + batch < count,
                       .residual = run->residual,
                       .logits = session->logits,
                       .scored = scored};
    if (!kv_table_grow(&session->kv, session->length, session->length + batch, error)) return false;
    compute_blocks(&pass, shape_steps(&run->model->shape));
    compute_output(&pass);
    append_tokens(&pass);
  }
  return true;
}

bool nibble_session_evaluate(NibbleSession *session, const int32_t *tokens, int count, const int32_t *targets,
                             float *log_probabilities, NibbleError *error) {
  NibbleEngine *engine = session->engine;
  if (!engine_check_complete(engine, error) || !engine_check_tokens(session, tokens, count, targets, error) ||
      !check_free(session, error))
    return false;
  if (engine->model.residency.streams)
    return nibble_fail(error, NIBBLE_INVALID_ARGUMENT,
                       "Not all weights are in memory: compute the tokens in a pass, block by block.");
  engine_tune(engine);
  float *scored = targets != NULL ? allocate_scored(engine) : NULL;
  if (targets != NULL && scored == NULL)
    return nibble_fail(error, NIBBLE_OUT_OF_MEMORY,
                       "No memory is left to score tokens. Close other sessions and models first.");
  const bool evaluated = evaluate(session, tokens, count, targets, log_probabilities, scored, error);
  engine->run.x = engine->run.residual;
  free(scored);
  return evaluated;
}
