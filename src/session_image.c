// A session as bytes, little-endian:
//
//   header   64 bytes, as Header below
//   tokens   int32 [tokens], and one 0 more where that makes a multiple of 8 bytes
//   layers   a LayerHeader for each: from where on it has keys and values, and in how many units of how many bytes
//   units    of every layer: the pages that the next token needs, each kv_page_data_bytes() bytes as they stand in
//            memory, with zeros for tokens that are not there, and a checksum
//
// The header's checksum covers the header before it, the tokens and the layers; a unit's covers the header's checksum,
// the layer, the page's number and its bytes, so that no page can take another's place.
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "checksum.h"
#include "engine_state.h"

// Raise it whenever the layout of the image or of a page changes.
enum { IMAGE_VERSION = 3, CHECKSUM_BYTES = 8 };
static const char image_magic[8] = {'N', 'I', 'B', 'B', 'L', 'E', 'K', 'V'};

typedef struct {
  char magic[8];
  uint32_t version, kv_type, layers, page_tokens, tokens, zeros[3];
  uint64_t fingerprint, bytes, checksum;
} Header;
_Static_assert(sizeof(Header) == 64, "the header is written as it stands in memory");

typedef struct {
  uint32_t from;        // the first token whose key and value are there
  uint32_t units;       // pages, from the one with that token on
  uint64_t unit_bytes;  // of each, its checksum left out
} LayerHeader;
_Static_assert(sizeof(LayerHeader) == 16, "layers are written as they stand in memory");

// One step of an image: the page that comes next.
typedef struct {
  int layer, page;
} Place;

static size_t token_bytes(int tokens) { return (size_t)(tokens + 1) / 2 * 8; }

static size_t unit_bytes(const KvShape *shape, int layer) {
  return kv_page_data_bytes(kv_page_of(shape, layer)) + CHECKSUM_BYTES;
}

// Of the largest pages.
static size_t most_unit_bytes(const KvShape *shape) {
  size_t most = 0;
  for (int i = 0; i < shape->classes; i++) {
    const size_t bytes = kv_page_data_bytes(&shape->pages[i]);
    if (bytes > most) most = bytes;
  }
  return most + CHECKSUM_BYTES;
}

static size_t layers_bytes(const KvShape *shape) { return (size_t)shape->layers * sizeof(LayerHeader); }

// What lies between the header and the units.
static size_t timeline_bytes(const KvShape *shape, int tokens) { return token_bytes(tokens) + layers_bytes(shape); }

static LayerHeader layer_header(const KvShape *shape, int layer, int tokens, int from) {
  const uint32_t units = (uint32_t)(kv_page_count(tokens) - from / KV_PAGE_TOKENS);
  return (LayerHeader){(uint32_t)from, units, kv_page_data_bytes(kv_page_of(shape, layer))};
}

static uint64_t image_bytes(const KvShape *shape, int tokens, const int *from) {
  uint64_t bytes = sizeof(Header) + timeline_bytes(shape, tokens);
  for (int layer = 0; layer < shape->layers; layer++) {
    const LayerHeader header = layer_header(shape, layer, tokens, from[layer]);
    bytes += header.units * (header.unit_bytes + CHECKSUM_BYTES);
  }
  return bytes;
}

// Moves to the next page that exists; false behind the last. `from` is the table's.
static bool next_place(Place *place, const KvShape *shape, int tokens, const int *from) {
  place->page++;
  while (place->layer < shape->layers && place->page >= kv_page_count(tokens)) {
    place->layer++;
    if (place->layer < shape->layers) place->page = from[place->layer] / KV_PAGE_TOKENS;
  }
  return place->layer < shape->layers;
}

static Place first_place(void) { return (Place){-1, INT32_MAX - 1}; }

// Of the model's header and of a sample of its weights: fine-tunes have the same header, and some have the same weights
// with other numbers in it. Where factors turn the keys, of these: they are so small a tensor that no sample may hit
// it, and which of LongRoPE's two an engine has depends on its context.
static uint64_t fingerprint_of(NibbleEngine *engine) {
  if (engine->fingerprint != 0) return engine->fingerprint;
  const uint64_t header = engine->model.header_checksum;
  Checksum checksum;
  checksum_begin(&checksum);
  checksum_update(&checksum, (const uint8_t *)&header, sizeof header);
  const Model *model = &engine->model;
  const Rope *rope = &engine->run.ropes[ROPE_OF_ALL];
  if (model->rope_factors != NULL)
    checksum_update(&checksum, (const uint8_t *)model->rope_factors, (size_t)rope->pairs * sizeof(float));
  if (model->long_factors != NULL || model->short_factors != NULL)
    checksum_update(&checksum, (const uint8_t *)rope->frequencies, (size_t)rope->pairs * sizeof *rope->frequencies);
  uint8_t sample[SAMPLE_BYTES];
  for (int i = 0; i < SAMPLES; i++) {
    engine_sample(engine, i, sample);
    checksum_update(&checksum, sample, SAMPLE_BYTES);
  }
  engine->fingerprint = checksum_end(&checksum) | 1;  // never 0
  return engine->fingerprint;
}

static uint64_t header_checksum(const KvShape *shape, const Header *header, const uint8_t *timeline) {
  Checksum checksum;
  checksum_begin(&checksum);
  checksum_update(&checksum, (const uint8_t *)header, offsetof(Header, checksum));
  checksum_update(&checksum, timeline, timeline_bytes(shape, (int)header->tokens));
  return checksum_end(&checksum);
}

static uint64_t page_checksum(const KvShape *shape, uint64_t header, Place place, const uint8_t *data) {
  Checksum checksum;
  checksum_begin(&checksum);
  checksum_update(&checksum, (const uint8_t *)&header, sizeof header);
  const uint32_t numbers[] = {(uint32_t)place.layer, (uint32_t)place.page};
  checksum_update(&checksum, (const uint8_t *)numbers, sizeof numbers);
  checksum_update(&checksum, data, kv_page_data_bytes(kv_page_of(shape, place.layer)));
  return checksum_end(&checksum);
}

// All but the checksum and the bytes.
static Header image_header(NibbleEngine *engine, int tokens) {
  const KvShape *shape = &engine->kv_shape;
  Header header = {.version = IMAGE_VERSION,
                   .kv_type = kv_type(shape),
                   .layers = (uint32_t)shape->layers,
                   .page_tokens = KV_PAGE_TOKENS,
                   .tokens = (uint32_t)tokens,
                   .fingerprint = fingerprint_of(engine)};
  memcpy(header.magic, image_magic, sizeof header.magic);
  return header;
}

struct NibbleSave {
  NibbleSession *session;
  uint64_t checksum;  // of the header
  Place place;        // of the page in `unit`
  uint8_t *unit;      // the part of the image that is being read: all before the pages, or a page
  size_t unit_bytes, read;
};

// Lets the saved table forget what the next token does not need, so that the image depends on nothing else.
static void forget_slack(KvTable *table, int tokens) {
  for (int layer = 0; layer < table->shape->layers; layer++) {
    const int needed = kv_first_page(table->shape, layer, tokens) * KV_PAGE_TOKENS;
    if (table->from[layer] < needed) table->from[layer] = needed;
  }
}

static void write_head(NibbleSave *save) {
  const NibbleSession *session = save->session;
  const KvShape *shape = session->kv.shape;
  uint8_t *timeline = save->unit + sizeof(Header), *layers = timeline + token_bytes(session->length);
  memcpy(timeline, session->tokens, (size_t)session->length * sizeof *session->tokens);
  for (int layer = 0; layer < shape->layers; layer++) {
    const LayerHeader header = layer_header(shape, layer, session->length, session->kv.from[layer]);
    memcpy(layers + (size_t)layer * sizeof header, &header, sizeof header);
  }
  Header header = image_header(session->engine, session->length);
  header.bytes = image_bytes(shape, session->length, session->kv.from);
  save->checksum = header.checksum = header_checksum(shape, &header, timeline);
  memcpy(save->unit, &header, sizeof header);
}

NibbleSave *nibble_save_create(const NibbleSession *session, NibbleError *error) {
  if (!engine_check_complete(session->engine, error)) return NULL;
  NibbleSave *save = calloc(1, sizeof *save);
  if (save == NULL) {
    nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left to save a session.");
    return NULL;
  }
  const KvShape *shape = &session->engine->kv_shape;
  const size_t head = sizeof(Header) + timeline_bytes(shape, session->length), page = most_unit_bytes(shape);
  save->unit = calloc(1, head > page ? head : page);
  if (save->unit == NULL) nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left to save a session.");
  if (save->unit != NULL) save->session = nibble_session_fork(session, error);
  if (save->session == NULL) {
    nibble_save_free(save);
    return NULL;
  }
  forget_slack(&save->session->kv, session->length);
  write_head(save);
  save->unit_bytes = head;
  save->place = first_place();
  return save;
}

void nibble_save_free(NibbleSave *save) {
  if (save == NULL) return;
  nibble_session_free(save->session);
  free(save->unit);
  free(save);
}

uint64_t nibble_save_bytes(const NibbleSave *save) {
  return image_bytes(save->session->kv.shape, save->session->length, save->session->kv.from);
}

// Makes zeros of what a page has for tokens that are not there: what a truncation or a shift has left behind is
// nobody's business, and kernels multiply it by 0, which NaN outlives.
static void clear_absent(const KvTable *table, Place place, int tokens, uint8_t *page) {
  const int first = place.page * KV_PAGE_TOKENS;
  const KvPageShape *shape = kv_page_of(table->shape, place.layer);
  kv_page_clear(shape, page, 0, table->from[place.layer] - first);
  kv_page_clear(shape, page, tokens - first, KV_PAGE_TOKENS);
}

static bool next_unit(NibbleSave *save) {
  const KvTable *table = &save->session->kv;
  const KvShape *shape = table->shape;
  const int tokens = save->session->length;
  if (!next_place(&save->place, shape, tokens, table->from)) return false;
  const size_t bytes = kv_page_data_bytes(kv_page_of(shape, save->place.layer));
  memcpy(save->unit, kv_table_page(table, save->place.layer, save->place.page), bytes);
  clear_absent(table, save->place, tokens, save->unit);
  const uint64_t checksum = page_checksum(shape, save->checksum, save->place, save->unit);
  memcpy(save->unit + bytes, &checksum, sizeof checksum);
  save->unit_bytes = bytes + CHECKSUM_BYTES;
  save->read = 0;
  return true;
}

size_t nibble_save_read(NibbleSave *save, uint8_t *bytes, size_t count) {
  size_t done = 0;
  while (done < count && (save->read < save->unit_bytes || next_unit(save))) {
    const size_t left = save->unit_bytes - save->read, piece = left < count - done ? left : count - done;
    memcpy(bytes + done, save->unit + save->read, piece);
    save->read += piece;
    done += piece;
  }
  return done;
}

typedef enum { RESTORE_HEADER, RESTORE_TIMELINE, RESTORE_PAGES, RESTORE_DONE } RestoreStage;

struct NibbleRestore {
  NibbleEngine *engine;
  NibbleSession *session;
  Header header;
  RestoreStage stage;
  Place place;    // of the page that is awaited
  uint8_t *unit;  // the part of the image that is being written
  size_t unit_bytes, filled;
};

NibbleRestore *nibble_restore_create(NibbleEngine *engine, NibbleError *error) {
  if (!engine_check_complete(engine, error)) return NULL;
  NibbleSession *session = nibble_session_create(engine, error);
  if (session == NULL) return NULL;
  NibbleRestore *restore = calloc(1, sizeof *restore);
  const size_t head = sizeof(Header) + timeline_bytes(&engine->kv_shape, engine->run.context_size);
  const size_t page = most_unit_bytes(&engine->kv_shape);
  uint8_t *unit = malloc(head > page ? head : page);
  if (restore == NULL || unit == NULL) {
    free(restore);
    free(unit);
    nibble_session_free(session);
    nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left to restore a session.");
    return NULL;
  }
  *restore = (NibbleRestore){
      .engine = engine, .session = session, .place = first_place(), .unit = unit, .unit_bytes = sizeof(Header)};
  return restore;
}

void nibble_restore_free(NibbleRestore *restore) {
  if (restore == NULL) return;
  nibble_session_free(restore->session);
  free(restore->unit);
  free(restore);
}

static bool damaged(const char *what, NibbleError *error) {
  return nibble_fail(error, NIBBLE_SAVE_DAMAGED,
                     "The saved session is damaged: %s. Drop it, and let the model read the text again.", what);
}

static bool take_header(NibbleRestore *restore, NibbleError *error) {
  Header *header = &restore->header;
  memcpy(header, restore->unit, sizeof *header);
  if (memcmp(header->magic, image_magic, sizeof image_magic) != 0) return damaged("it does not begin as one", error);
  if (header->version != IMAGE_VERSION)
    return nibble_fail(error, NIBBLE_SAVE_MISMATCH,
                       "The saved session has version %lu; this one of Nibble reads version %d. Let the model read the "
                       "text again.",
                       (unsigned long)header->version, IMAGE_VERSION);
  if (header->tokens > (uint32_t)restore->engine->run.context_size)
    return nibble_fail(error, NIBBLE_CONTEXT_FULL,
                       "The saved session has %lu tokens, and the context holds %d. Load the model with a larger "
                       "context.",
                       (unsigned long)header->tokens, restore->engine->run.context_size);
  Header expected = image_header(restore->engine, (int)header->tokens);
  if (header->kv_type != expected.kv_type || header->fingerprint != expected.fingerprint)
    return nibble_fail(
        error, NIBBLE_SAVE_MISMATCH,
        "The saved session is one of another model, or of this one with another type of KV cache or, where "
        "its position angles depend on that, another size of the context. Let the model read the text "
        "again.");
  expected.bytes = header->bytes;
  expected.checksum = header->checksum;
  if (memcmp(header, &expected, sizeof expected) != 0) return damaged("its header contradicts itself", error);
  return true;
}

// Takes where each layer begins: no later than the next token needs it.
static bool take_layers(NibbleRestore *restore, const uint8_t *layers, int tokens, NibbleError *error) {
  KvTable *table = &restore->session->kv;
  const KvShape *shape = table->shape;
  int *from = malloc((size_t)shape->layers * sizeof *from);
  if (from == NULL) return nibble_fail(error, NIBBLE_OUT_OF_MEMORY, "No memory is left to restore a session.");
  bool good = true;
  for (int layer = 0; layer < shape->layers && good; layer++) {
    LayerHeader found;
    memcpy(&found, layers + (size_t)layer * sizeof found, sizeof found);
    good = found.from <= (uint32_t)kv_visible_from(kv_window(shape, layer), tokens);
    from[layer] = good ? (int)found.from : 0;
    const LayerHeader expected = layer_header(shape, layer, tokens, from[layer]);
    good = good && memcmp(&found, &expected, sizeof found) == 0;
  }
  good = good && restore->header.bytes == image_bytes(shape, tokens, from);
  const bool filled = good && kv_table_fill(table, from, tokens, error);
  free(from);
  return good ? filled : damaged("its layers contradict the header", error);
}

static bool take_timeline(NibbleRestore *restore, NibbleError *error) {
  const int tokens = (int)restore->header.tokens;
  NibbleSession *session = restore->session;
  if (header_checksum(session->kv.shape, &restore->header, restore->unit) != restore->header.checksum)
    return damaged("the checksum of its tokens is another", error);
  memcpy(session->tokens, restore->unit, (size_t)tokens * sizeof *session->tokens);
  for (int t = 0; t < tokens; t++)
    if (session->tokens[t] < 0 || session->tokens[t] >= restore->engine->model.shape.vocabulary)
      return damaged("it has tokens that are not in the vocabulary", error);
  if (!take_layers(restore, restore->unit + token_bytes(tokens), tokens, error)) return false;
  session->length = tokens;
  return true;
}

static bool restore_page(NibbleRestore *restore, NibbleError *error) {
  const KvTable *table = &restore->session->kv;
  const KvPageShape *shape = kv_page_of(table->shape, restore->place.layer);
  const size_t bytes = kv_page_data_bytes(shape);
  uint64_t checksum;
  memcpy(&checksum, restore->unit + bytes, sizeof checksum);
  if (page_checksum(table->shape, restore->header.checksum, restore->place, restore->unit) != checksum)
    return damaged("the checksum of a page is another", error);
  uint8_t *page = kv_table_page(table, restore->place.layer, restore->place.page);
  memcpy(page, restore->unit, bytes);
  clear_absent(table, restore->place, (int)restore->header.tokens, page);
  return kv_page_scales_hold(shape, page) || damaged("a page has a scale that no key or value can have", error);
}

// A part of the image is complete: checks it, and says what comes next.
static bool take_unit(NibbleRestore *restore, NibbleError *error) {
  const KvShape *shape = &restore->engine->kv_shape;
  restore->filled = 0;
  if (restore->stage == RESTORE_HEADER) {
    if (!take_header(restore, error)) return false;
    restore->stage = RESTORE_TIMELINE;
    restore->unit_bytes = timeline_bytes(shape, (int)restore->header.tokens);
    return true;
  }
  if (restore->stage == RESTORE_TIMELINE ? !take_timeline(restore, error) : !restore_page(restore, error)) return false;
  const int *from = restore->session->kv.from;
  const bool more = next_place(&restore->place, shape, (int)restore->header.tokens, from);
  restore->stage = more ? RESTORE_PAGES : RESTORE_DONE;
  restore->unit_bytes = more ? unit_bytes(shape, restore->place.layer) : 0;
  return true;
}

// Takes whatever is complete: parts without bytes too.
static bool take_units(NibbleRestore *restore, NibbleError *error) {
  while (restore->stage != RESTORE_DONE && restore->filled == restore->unit_bytes)
    if (!take_unit(restore, error)) return false;
  return true;
}

bool nibble_restore_write(NibbleRestore *restore, const uint8_t *bytes, size_t count, NibbleError *error) {
  while (count > 0) {
    if (restore->stage == RESTORE_DONE) return damaged("it goes on behind its end", error);
    const size_t left = restore->unit_bytes - restore->filled, piece = left < count ? left : count;
    memcpy(restore->unit + restore->filled, bytes, piece);
    restore->filled += piece;
    bytes += piece;
    count -= piece;
    if (!take_units(restore, error)) return false;
  }
  return true;
}

NibbleSession *nibble_restore_finish(NibbleRestore *restore, NibbleError *error) {
  if (restore->stage != RESTORE_DONE) {
    damaged("it is cut short", error);
    return NULL;
  }
  NibbleSession *session = restore->session;
  restore->session = NULL;
  return session;
}
