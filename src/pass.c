// A pass block by block: all tokens of a sweep go through one block, in batches, before the next block's turn. The
// residual stream of all of them is held; keys and values lie in the pages already, so a later batch finds those of an
// earlier one as if the batches had gone through one after the other. Nothing of it depends on the partition.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine_state.h"
#include "float_math.h"
#include "forward.h"
#include "segment.h"
#include "zeroed.h"

typedef enum { STAGE_ROWS, STAGE_BLOCKS, STAGE_OUTPUT, STAGE_DONE } Stage;

struct NibblePass {
  NibbleSession *session;
  const int32_t *tokens;
  int count;
  const int32_t *targets;
  float *log_probabilities;

  bool drives;  // the engine's driver makes the steps
  Stage stage;
  int rows;           // embeddings that are there
  int step, segment;  // the step through blocks that comes next; the segment, where something streams
  int round;          // through a streamed output

  float *stream;      /* [count, width_stride] the residual stream: the run's, or its own where that is too short */
  uint8_t *row_tiles; /* [ROWS_AT_ONCE, tile] */
  float *logits;      /* [logits_stride] of the last token */
  float *scored;      /* [SCORED_TOKENS, logits_stride] */
  Score *scores;      /* [count], where the output streams; NULL: none are needed */
};

static const Model *model_of(const NibblePass *pass) { return &pass->session->engine->model; }

static bool owns_stream(const NibblePass *pass) { return pass->stream != pass->session->engine->run.stream; }

static void pass_free(NibblePass *pass) {
  if (owns_stream(pass)) free(pass->stream);
  free(pass->row_tiles);
  free(pass->logits);
  free(pass->scored);
  free(pass->scores);
  free(pass);
}

static uint64_t stream_row_bytes(const NibblePass *pass) {
  return (uint64_t)pass->session->engine->run.width_stride * sizeof(float);
}

static bool allocate(NibblePass *pass) {
  const Model *model = model_of(pass);
  const Run *run = &pass->session->engine->run;
  pass->stream = pass->count <= run->sweep_size ? run->stream : zeroed((uint64_t)pass->count, stream_row_bytes(pass));
  if (pass->stream == NULL) return false;
  const size_t logits = (size_t)engine_logits_bytes(&model->shape);
  uint64_t position;
  pass->logits = calloc(1, logits);
  if (pass->logits == NULL) return false;
  if (pass->targets != NULL && (pass->scored = malloc(SCORED_TOKENS * logits)) == NULL) return false;
  if (pass->targets != NULL && model->residency.output_streams &&
      (pass->scores = zeroed((uint64_t)pass->count, sizeof *pass->scores)) == NULL)
    return false;
  return !model->residency.embedding_streams ||
         (pass->row_tiles = malloc(ROWS_AT_ONCE * (size_t)segment_embedding_tile(model, 0, &position))) != NULL;
}

// Makes the batch that begins at token `first` of the sweep the one under way, and returns where the next one begins.
static int set_batch(NibblePass *pass, int first) {
  Run *run = &pass->session->engine->run;
  const int left = pass->count - first;
  run->kv = &pass->session->kv;
  run->tokens = pass->tokens + first;
  run->position = pass->session->length + first;
  run->count = left < run->batch_size ? left : run->batch_size;
  run->wanted = pass->targets != NULL ? 0 : run->count == left ? run->count - 1 : run->count;
  run->x = pass->stream + (size_t)first * (size_t)run->width_stride;
  return first + run->count;
}

static void begin_blocks(NibblePass *pass) {
  pass->stage = STAGE_BLOCKS;
  for (int next = 0; !model_of(pass)->residency.embedding_streams && next < pass->count;) {
    next = set_batch(pass, next);
    forward_embed(&pass->session->engine->run);
  }
}

static bool may_begin(const NibbleSession *session, int count, NibbleError *error) {
  const NibbleEngine *engine = session->engine;
  if (engine->pass != NULL)
    return nibble_fail(error, NIBBLE_INVALID_ARGUMENT, "A pass is under way in this engine. Finish it first.");
  return count <= engine->run.sweep_size || !engine->model.residency.streams ||
         nibble_fail(error, NIBBLE_INVALID_ARGUMENT, "A pass takes %d tokens at most; %d were given.",
                     engine->run.sweep_size, count);
}

NibblePass *nibble_pass_begin(NibbleSession *session, const int32_t *tokens, int count, const int32_t *targets,
                              float *log_probabilities, NibbleError *error) {
  if (!engine_check_tokens(session, tokens, count, targets, error) || !may_begin(session, count, error) ||
      !engine_prepare(session->engine, error))
    return NULL;
  engine_tune(session->engine);
  NibblePass *pass = calloc(1, sizeof *pass);
  if (pass != NULL)
    *pass = (NibblePass){.session = session,
                         .tokens = tokens,
                         .count = count,
                         .targets = targets,
                         .log_probabilities = log_probabilities};
  if (pass == NULL || !allocate(pass)) {
    if (pass != NULL) pass_free(pass);
    nibble_fail(error, NIBBLE_OUT_OF_MEMORY,
                "No memory is left to compute tokens. Close other sessions and models first.");
    return NULL;
  }
  if (!kv_table_grow(&session->kv, session->length, session->length + count, error)) {
    pass_free(pass);
    return NULL;
  }
  session->engine->pass = pass;
  session->in_pass = true;
  session->engine->pass_bytes = owns_stream(pass) ? (uint64_t)pass->count * stream_row_bytes(pass) : 0;
  if (!model_of(pass)->residency.embedding_streams) begin_blocks(pass);
  return pass;
}

int nibble_pass_next(const NibblePass *pass) {
  const Model *model = model_of(pass);
  switch (pass->stage) {
    case STAGE_ROWS: return NIBBLE_PASS_ROWS;
    case STAGE_BLOCKS:
      return model->blocks[pass->step % model->shape.blocks].streams ? pass->segment : NIBBLE_PASS_READY;
    case STAGE_OUTPUT: return model->residency.output_streams ? pass->segment : NIBBLE_PASS_READY;
    default: return NIBBLE_PASS_DONE;
  }
}

uint8_t *nibble_pass_row(const NibblePass *pass, int index, uint64_t *position, uint64_t *length) {
  if (pass->stage != STAGE_ROWS || index < 0 || index >= ROWS_AT_ONCE || index >= pass->count - pass->rows) return NULL;
  *length = segment_embedding_tile(model_of(pass), pass->tokens[pass->rows + index], position);
  return pass->row_tiles + (size_t)index * (size_t)*length;
}

static void step_rows(NibblePass *pass) {
  const Run *run = &pass->session->engine->run;
  const Matrix *embedding = &run->model->embedding;
  uint64_t position, length;
  int index = 0;
  for (const uint8_t *tile; (tile = nibble_pass_row(pass, index, &position, &length)) != NULL; index++) {
    float *x = pass->stream + (size_t)(pass->rows + index) * (size_t)run->width_stride;
    tile_unpack_row(embedding->kind, embedding->columns, tile, pass->tokens[pass->rows + index] % TILE_ROWS, x);
    forward_finish_embedding(run, pass->session->length + pass->rows + index, x, run->normed);
  }
  pass->rows += index;
  if (pass->rows == pass->count) begin_blocks(pass);
}

static void step_block(NibblePass *pass, uint8_t *slot) {
  NibbleEngine *engine = pass->session->engine;
  Model *model = &engine->model;
  const int block = pass->step % model->shape.blocks;
  if (model->blocks[block].streams) {
    segment_place_block(model, block, slot);
    pass->segment++;
  }
  for (int next = 0; next < pass->count;) {
    next = set_batch(pass, next);
    forward_block(&engine->run, pass->step);
  }
  if (++pass->step == shape_steps(&model->shape)) pass->stage = STAGE_OUTPUT;
}

// Adds what `rows` logits from row `first_row` on tell of a token.
static void see(const NibblePass *pass, Score *score, int target, const float *logits, int first_row, int rows) {
  if (pass->round == 0) {
    if (first_row == 0) score->largest = -INFINITY;
    for (int i = 0; i < rows; i++)
      score->largest = score->largest < logits[i] ? logits[i] : score->largest;
    if (target >= first_row && target < first_row + rows) score->target = logits[target - first_row];
  } else {
    for (int i = 0; i < rows; i++)
      score->sum += engine_weight(logits[i], score->largest);
  }
}

// Calls use() for each group of tokens with a target whose logits of these rows have been computed.
static void score(NibblePass *pass, const Matrix *output, int first_row, int stride) {
  Run *run = &pass->session->engine->run;
  for (int begin = 0, next; begin < pass->count; begin = next) {
    next = set_batch(pass, begin);
    for (int first = 0; first < run->count; first += SCORED_TOKENS) {
      const int left = run->count - first, count = left < SCORED_TOKENS ? left : SCORED_TOKENS;
      const int32_t *targets = pass->targets + begin + first;
      bool wanted = false;
      for (int i = 0; i < count; i++)
        wanted |= targets[i] >= 0;
      if (wanted) forward_output(run, first, count, output, first_row, pass->scored, stride);
      for (int i = 0; i < count; i++) {
        const float *logits = pass->scored + (size_t)i * (size_t)stride;
        float *result = &pass->log_probabilities[begin + first + i];
        if (targets[i] < 0)
          *result = 0;
        else if (pass->scores == NULL)
          *result = engine_log_probability(logits, output->rows, targets[i]);
        else
          see(pass, &pass->scores[begin + first + i], targets[i], logits, first_row, output->rows);
      }
    }
  }
}

static void last_logits(NibblePass *pass, const Matrix *output, int first_row) {
  Run *run = &pass->session->engine->run;
  set_batch(pass, pass->count - 1);
  forward_output(run, 0, 1, output, first_row, pass->logits + first_row, run->logits_stride);
}

static void finish_scores(NibblePass *pass) {
  for (int i = 0; pass->scores != NULL && i < pass->count; i++) {
    if (pass->targets[i] >= 0) pass->log_probabilities[i] = engine_scored(&pass->scores[i]);
  }
}

static void step_output_piece(NibblePass *pass, uint8_t *slot) {
  const Model *model = model_of(pass);
  Segment segment, next;
  if (!segment_at(model, pass->segment, &segment)) return;
  const Matrix piece = segment_output(model, &segment, slot);
  const int first_row = segment.first_tile * TILE_ROWS;
  if (pass->round == 0) last_logits(pass, &piece, first_row);
  if (pass->targets != NULL) score(pass, &piece, first_row, segment.tiles * TILE_ROWS);
  if (segment_at(model, ++pass->segment, &next)) return;
  if (pass->targets != NULL && pass->round++ == 0) {
    while (segment_at(model, pass->segment - 1, &next) && next.block == model->shape.blocks)
      pass->segment--;
    return;
  }
  finish_scores(pass);
  pass->stage = STAGE_DONE;
}

static void step_output(NibblePass *pass, uint8_t *slot) {
  const Model *model = model_of(pass);
  if (model->residency.output_streams) {
    step_output_piece(pass, slot);
    return;
  }
  if (pass->targets != NULL) score(pass, &model->output, 0, pass->session->engine->run.logits_stride);
  last_logits(pass, &model->output, 0);
  pass->stage = STAGE_DONE;
}

void nibble_pass_step(NibblePass *pass, int slot) {
  uint8_t *bytes = nibble_pass_next(pass) >= 0 ? nibble_engine_slot(pass->session->engine, slot) : NULL;
  switch (pass->stage) {
    case STAGE_ROWS: step_rows(pass); break;
    case STAGE_BLOCKS: step_block(pass, bytes); break;
    case STAGE_OUTPUT: step_output(pass, bytes); break;
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

void nibble_pass_finish(NibblePass *pass) {
  if (pass == NULL) return;
  NibbleSession *session = pass->session;
  NibbleEngine *engine = session->engine;
  if (pass->drives) driver_rest(engine->driver);
  engine->run.x = engine->run.stream;
  if (pass->stage == STAGE_DONE) {
    memcpy(session->tokens + session->length, pass->tokens, (size_t)pass->count * sizeof *pass->tokens);
    session->length += pass->count;
    session->has_logits = true;
    float *before = session->logits;
    session->logits = pass->logits;
    pass->logits = before;
    kv_table_release(&session->kv, session->length);
  } else {
    kv_table_shrink(&session->kv, session->length);
    kv_pool_trim(engine->pool);
  }
  engine->pass = NULL;
  session->in_pass = false;
  engine->pass_bytes = 0;
  pass_free(pass);
  engine_settle(engine);
}
