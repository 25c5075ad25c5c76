// Random operations on sessions that share pages: what they compute equals, to the last bit, what a fresh session
// computes that was given the same text and the same shifts, and never what was taken back.
//
// NIBBLE_ROUNDS=1000 build/native/random_test runs for longer; NIBBLE_SEED=n begins elsewhere.
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "engine.h"
#include "engine_fixture.h"

enum { SESSIONS = 6, CONTEXT = 400, STEPS = 60, VOCABULARY = 33, ROUNDS = 24, MOST_EVENTS = 64, MOST_TOKENS = 2000 };

// What made a session what it is: tokens that were appended, or a shift.
typedef struct {
  int count;  // tokens; 0: a shift
  int keep, drop;
} Event;

typedef struct {
  Event events[MOST_EVENTS];
  int event_count;
  int32_t tokens[MOST_TOKENS];  // of all events, one behind the other
  int token_count;
} History;

typedef struct {
  NibbleSession *session;
  History history;
} Subject;

typedef struct {
  uint64_t random;
  Rig rig, fresh;  // the second without a limit, for what is expected
  Subject subjects[SESSIONS];
  long compared;
} World;

static int below(World *world, int n) { return (int)(tiny_random(&world->random) % (uint32_t)n); }

static int history_length(const History *history) {
  int length = 0;
  for (int i = 0; i < history->event_count; i++)
    length += history->events[i].count - history->events[i].drop;
  return length;
}

// Takes back all but the first `length` tokens, as if they had never been.
static void history_truncate(History *history, int length) {
  const int now = history_length(history);
  if (length >= now) return;
  Event *last = &history->events[history->event_count - 1];
  const Event event = *last;
  if (event.count > now - length) {
    last->count -= now - length;
    history->token_count -= now - length;
    return;
  }
  history->event_count--;
  history->token_count -= event.count;
  if (event.count > 0 || length < event.keep) {
    history_truncate(history, length);
    return;
  }
  history_truncate(history, length + event.drop);  // the shift stays, of fewer tokens
  history->events[history->event_count++] = event;
}

static void history_append(History *history, const int32_t *tokens, int count) {
  memcpy(history->tokens + history->token_count, tokens, (size_t)count * sizeof *tokens);
  history->token_count += count;
  history->events[history->event_count++] = (Event){.count = count};
}

// Has a fresh session live through the same, and compares.
static void compare(Check *check, World *world, const Subject *subject) {
  NibbleSession *fresh = world->fresh.session;
  const History *history = &subject->history;
  const int32_t *tokens = history->tokens;
  nibble_session_truncate(fresh, 0);
  for (int i = 0; i < history->event_count; i++) {
    const Event *event = &history->events[i];
    if (event->count > 0)
      append(check, fresh, tokens, event->count);
    else
      CHECK(nibble_session_shift(fresh, event->keep, event->drop, NULL));
    tokens += event->count;
  }
  CHECK(same_logits(subject->session, nibble_session_logits(fresh), VOCABULARY));
  world->compared++;
}

static int random_tokens(World *world, int32_t *tokens, int most) {
  const int count = 1 + below(world, most);
  for (int t = 0; t < count; t++)
    tokens[t] = below(world, VOCABULARY);
  return count;
}

static bool has_room(const Subject *subject, int count) {
  const History *history = &subject->history;
  return nibble_session_length(subject->session) + count <= CONTEXT && history->token_count + count <= MOST_TOKENS &&
         history->event_count < MOST_EVENTS - 1;
}

static void take_back(Check *check, World *world, Subject *subject) {
  const int length = nibble_session_length(subject->session), wanted = length - below(world, 90);
  const int left = nibble_session_truncate(subject->session, wanted);
  CHECK(left == 0 || left == wanted);
  history_truncate(&subject->history, left);
}

// A pass that may end early: then nothing has changed.
static void pass(Check *check, World *world, Subject *subject) {
  int32_t tokens[60];
  const int count = random_tokens(world, tokens, 60), length = nibble_session_length(subject->session);
  NibblePass *run =
      has_room(subject, count) ? nibble_pass_begin(subject->session, tokens, count, NULL, NULL, NULL) : NULL;
  if (run == NULL) return;
  for (int steps = below(world, 5); steps > 0; steps--)
    nibble_pass_step(run, 0);
  const bool done = nibble_pass_next(run) == NIBBLE_PASS_DONE;
  CHECK_INT(nibble_session_truncate(subject->session, 0), length);
  CHECK(nibble_session_fork(subject->session, NULL) == NULL);
  CHECK(!nibble_session_shift(subject->session, 0, 1, NULL));
  nibble_pass_finish(run);
  CHECK_INT(nibble_session_length(subject->session), length + (done ? count : 0));
  if (done) history_append(&subject->history, tokens, count);
}

static void save_and_restore(Check *check, World *world, Subject *subject) {
  NibbleSave *save = nibble_save_create(subject->session, NULL);
  NibbleRestore *restore = save != NULL ? nibble_restore_create(world->rig.engine, NULL) : NULL;
  uint8_t piece[999];
  bool good = restore != NULL;
  for (size_t n; good && (n = nibble_save_read(save, piece, sizeof piece)) > 0;)
    good = nibble_restore_write(restore, piece, n, NULL);  // which the limit on pages may refuse
  NibbleSession *again = good ? nibble_restore_finish(restore, NULL) : NULL;
  nibble_restore_free(restore);
  nibble_save_free(save);
  if (again == NULL) return;
  CHECK_INT(nibble_session_length(again), nibble_session_length(subject->session));
  nibble_session_free(subject->session);
  subject->session = again;
}

static void shift(Check *check, World *world, Subject *subject) {
  const int length = nibble_session_length(subject->session);
  if (length == 0 || !has_room(subject, 1)) return;
  const int keep = below(world, length < 100 ? length : 100), drop = 1 + below(world, length - keep);
  const bool shifted = nibble_session_shift(subject->session, keep, drop, NULL);
  CHECK_INT(nibble_session_length(subject->session), shifted ? length - drop : length);
  if (shifted) subject->history.events[subject->history.event_count++] = (Event){.keep = keep, .drop = drop};
}

static void go_on(Check *check, World *world, Subject *subject) {
  int32_t tokens[200];
  const int length = nibble_session_length(subject->session);
  const int count = random_tokens(world, tokens, below(world, 4) > 0 ? 30 : 200);
  if (!has_room(subject, count)) return;
  const bool evaluated = nibble_session_evaluate(subject->session, tokens, count, NULL, NULL, NULL);
  CHECK_INT(nibble_session_length(subject->session), evaluated ? length + count : length);
  if (!evaluated) return;
  history_append(&subject->history, tokens, count);
  if (below(world, 3) == 0) compare(check, world, subject);
}

static void step(Check *check, World *world, Subject *subject) {
  if (subject->session == NULL) {
    const Subject *from = &world->subjects[below(world, SESSIONS)];
    if (from->session != NULL)
      *subject = (Subject){nibble_session_fork(from->session, NULL), from->history};
    else
      *subject = (Subject){.session = nibble_session_create(world->rig.engine, NULL)};
    CHECK(subject->session != NULL);
    return;
  }
  switch (below(world, 11)) {
    case 0:
      nibble_session_free(subject->session);
      subject->session = NULL;
      break;
    case 1:
    case 2: take_back(check, world, subject); break;
    case 3: pass(check, world, subject); break;
    case 4: save_and_restore(check, world, subject); break;
    case 5:
    case 6: shift(check, world, subject); break;
    default: go_on(check, world, subject); break;
  }
}

static bool play(Check *check, World *world, int round) {
  static const int windows[] = {0, 5, 70, 64, 1, 130};
  const TinyConfig config = {.width = 32,
                             .feed_forward = 32,
                             .heads = 2,
                             .kv_heads = 1,
                             .vocabulary = VOCABULARY,
                             .type = GGML_Q4_0,
                             .blocks = 2,
                             .sliding_window = windows[round % 6]};
  NibbleOptions options = tiny_options();
  options.context_size = CONTEXT;
  options.batch_size = 1 + below(world, 70);
  options.kv_type = round % 2 ? NIBBLE_KV_INT8 : NIBBLE_KV_F16;
  options.exact = round % 8 == 6;
  if (options.exact) options.kv_type = NIBBLE_KV_DEFAULT;
  options.threads = 1 + round % 2;
  open_config(check, &world->fresh, &config, &options);
  if (round / 6 % 2 == 0) options.memory_budget = 1u << 28;  // all weights stay, pages are limited
  open_config(check, &world->rig, &config, &options);
  world->subjects[0].session = world->rig.session;
  world->rig.session = NULL;
  for (int i = 0; i < STEPS && !check->broken; i++) {
    Subject *subject = &world->subjects[below(world, SESSIONS)];
    step(check, world, subject);
    if (subject->session != NULL) CHECK_INT(nibble_session_length(subject->session), history_length(&subject->history));
  }
  for (int i = 0; i < SESSIONS; i++)
    nibble_session_free(world->subjects[i].session);
  NibbleMemory memory;
  nibble_engine_memory(world->rig.engine, &memory);
  CHECK_INT((long long)memory.kv_cache, 0);
  if (check->broken) printf("  in round %d, with a window of %d\n", round, config.sliding_window);
  rig_close(&world->rig);
  rig_close(&world->fresh);
  return !check->broken;
}

static int number_of(const char *name, int fallback) {
  const char *value = getenv(name);
  return value != NULL ? atoi(value) : fallback;
}

TEST(whatever_happens_to_sessions_they_compute_as_fresh_ones_do) {
  const int rounds = number_of("NIBBLE_ROUNDS", ROUNDS), seed = number_of("NIBBLE_SEED", 1000);
  long compared = 0;
  for (int round = 0; round < rounds; round++) {
    World *world = calloc(1, sizeof *world);
    if (world == NULL) abort();
    world->random = (uint64_t)(seed + round);
    const bool good = play(check, world, round);
    compared += world->compared;
    free(world);
    if (!good) return;
  }
  CHECK(compared >= 3 * rounds);
}

int main(void) {
  Check check = {0};
  RUN(&check, whatever_happens_to_sessions_they_compute_as_fresh_ones_do);
  return check_finish(&check);
}
