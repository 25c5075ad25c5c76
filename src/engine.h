// Nibble's public C API. An engine is a loaded model with its threads; a session is one timeline of tokens with its KV
// cache and logits. Several engines may live side by side: there is no global state. One engine and its sessions are
// used by one thread at a time (the engine has its own workers inside).
//
//   Gguf gguf;      gguf_parse(...)                      the header, from the first bytes of the file
//   NibbleEngine *  nibble_engine_create(&gguf, ...)     checks the model, reserves memory, starts threads
//                   nibble_engine_load(...)              ... again and again: the file's tensor data, as it arrives
//                   nibble_engine_packed_range(...)      ... or packed bytes (packer.h), read straight to where they
//                   nibble_engine_finish(...)                belong; then once this
//   NibbleSession * nibble_session_create(...)
//                   nibble_session_evaluate(...)         tokens in, logits out
//
// An engine whose weights do not fit into its memory budget keeps some of them and takes the others block by block: the
// caller reads those into a ring of slots (nibble_engine_segment() says what), and drives each pass itself:
//
//   NibblePass *    nibble_pass_begin(session, ...)
//                   nibble_pass_next(pass)               what the next step needs
//                   nibble_pass_step(pass, ...)          ... computes it
//                   nibble_pass_finish(pass)             tokens in, logits out
#ifndef NIBBLE_ENGINE_H
#define NIBBLE_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "gguf.h"
#include "kernels.h"
#include "sampler.h"

enum { NIBBLE_MAX_THREADS = 64, NIBBLE_MAX_BATCH = 1024, NIBBLE_MAX_TILES_ABREAST = 64 };

// What keys and values of past tokens are kept as. INT8 has a scale for each token's key and value of a head.
typedef enum { NIBBLE_KV_DEFAULT, NIBBLE_KV_F16, NIBBLE_KV_INT8 } NibbleKvType;

typedef struct {
  int threads;          // 1 to NIBBLE_MAX_THREADS
  bool choose_threads;  // measure once the weights are there, and let so many of them work as are fastest
  int context_size;     // tokens a session can hold, at most what the model was trained for; 0: that, but at most 4096
  int batch_size;       // tokens computed at once in prefill, up to NIBBLE_MAX_BATCH; 0: the engine's choice
  bool exact;  // float activations and an F32 KV cache on the reference kernels: slow, the engine's own yardstick
  const Kernels *const *kernel_sets;  // the platform's sets, beside the reference; may be NULL
  int kernel_set_count;
  const char *kernel_set;  // the name of the set to use; NULL: measure, and take the fastest
  // How decode reads the weights: 1, one tile behind the other; more, as many side by side as the kernel set has; 0:
  // measure once the weights are there, and take the faster. Results are the same.
  int tiles_abreast;
  NibbleKvType kv_type;  // the default is F16; in the exact mode both of these stand for F32
  // Bytes that everything together may take; 0: as many as it needs. Where context_size is 0, the context is then one
  // whose KV cache takes at most a quarter of them, but at least 512 tokens.
  uint64_t memory_budget;
  uint64_t caller_bytes;   // of the budget, what the caller takes itself: code, stacks, ...
  uint64_t loading_bytes;  // and what it takes besides until the weights are there, before any session is
} NibbleOptions;

// Where the weights are under the memory budget.
typedef struct {
  uint64_t least_budget;  // the smallest that would do, with this context
  bool streams;           // not all weights stay in memory
  bool output_streams;    // the output projection is among those that do not
  int pinned_blocks, streamed_blocks;
  int slots;  // of the ring
  uint64_t slot_bytes;
  uint64_t streamed_bytes;  // that every pass reads
  int sweep_size;           // tokens that one pass takes
} NibbleBudget;

// What a model is, from its header alone.
typedef struct {
  char architecture[32];
  uint64_t parameters;       // elements of all tensors in the file
  uint64_t bytes_per_token;  // weight bytes that computing one token reads
  // Where blocks differ in heads, their sizes or their feed-forward network, the most of each.
  int vocabulary, width, blocks, layers, heads, kv_heads, feed_forward;
  int head_size, value_size;          // of a head's key, and of its value
  int trained_context, context_size;  // as trained; as it will be used
  int sliding_window;                 // tokens; 0: none
  bool tied_output;                   // the output projection is the token embedding
  KvType kv_type;                     // of the pages that a session will have
  uint64_t packed_bytes;              // of all weights, as packer.h makes them
  NibbleBudget budget;
} NibbleModelInfo;

// Bytes by purpose.
typedef struct {
  uint64_t weights;   // that stay
  uint64_t ring;      // slots for those that stream
  uint64_t kv_cache;  // one session, context full (for an estimate); pages in use by all sessions (for a live engine)
  uint64_t activations;  // run state and thread scratch
  uint64_t other;        // tables, sessions, the loader's staging
} NibbleMemory;

// Checks the model in a parsed header as nibble_engine_create() does, and fills `info` and `memory`, of which either
// may be NULL. Reserves nothing. False, and `error`, where an engine would be refused.
bool nibble_describe(const Gguf *gguf, const NibbleOptions *options, NibbleModelInfo *info, NibbleMemory *memory,
                     NibbleError *error);

typedef struct NibbleEngine NibbleEngine;

// Creates an engine for the model in a parsed header, without its weights. The engine is the caller's to free. `gguf`
// is read during the call only. NULL, and `error`, where the model is not one that this engine runs or contradicts
// itself, or where memory or threads are refused.
NibbleEngine *nibble_engine_create(const Gguf *gguf, const NibbleOptions *options, NibbleError *error);

// Frees an engine whose sessions are freed. Safe on NULL.
void nibble_engine_free(NibbleEngine *engine);

// Measures the kernel sets and takes the fastest, where options.kernel_set is NULL. Does nothing the second time.
// Passes and nibble_engine_finish() call it; a caller may do so earlier, while others read weights into their places.
// Under a budget nibble_engine_create() has called it.
void nibble_engine_choose_kernels(NibbleEngine *engine);

// Takes the next `count` bytes of the file and re-tiles them into place. The first byte of all is the one at
// gguf.data_offset; pieces have any size. Bytes behind the last tensor are ignored. False where a tensor has a scale,
// or a weight, that is infinite or NaN (NIBBLE_MODEL_BAD_TENSOR): the engine then never has all of its weights. False,
// too, of an engine whose weights stream (NIBBLE_INVALID_ARGUMENT).
bool nibble_engine_load(NibbleEngine *engine, const uint8_t *bytes, size_t count, NibbleError *error);

// Returns where the packed byte at `position` belongs, and sets *length to how many bytes from there on lie in one
// piece. The bytes are the engine's, and the caller's to write until nibble_engine_finish(). NULL, with a length, for
// bytes that do not stay in memory; NULL, with a length of 0, behind the last weight. Weights come by this way or by
// nibble_engine_load(), never by both.
uint8_t *nibble_engine_packed_range(NibbleEngine *engine, uint64_t position, uint64_t *length);

// Says that every packed byte is in place, and completes the engine. Does not look at the bytes: that is for checksums
// to do. May be called again: what was left to the engine to measure waits while a pass is under way, for the next call
// or for the next tokens.
bool nibble_engine_finish(NibbleEngine *engine, NibbleError *error);

// Returns the checksum (checksum.h) of `length` packed bytes from `position` on, as they stand in the engine.
uint64_t nibble_engine_packed_checksum(NibbleEngine *engine, uint64_t position, uint64_t length);

// Looks at packed bytes that do not stay in memory: a sample of them is what saved sessions know the model by. Every
// such byte is to be shown once, in pieces of any size, before the first session is saved or restored.
void nibble_engine_pass_by(NibbleEngine *engine, uint64_t position, const uint8_t *bytes, size_t length);

// Sets *position and *length to range `index` of a segment. A segment is what a step of a pass needs in a slot: packed
// ranges that lie there one behind the other. Segments are numbered in the order of their use. False behind the last
// range of a segment, and behind the last segment.
bool nibble_engine_segment(const NibbleEngine *engine, int segment, int index, uint64_t *position, uint64_t *length);

// Returns slot `index` of the ring, slot_bytes long; NULL behind the last. The bytes are the engine's, and the caller's
// to write whenever no step that was given this slot is under way.
uint8_t *nibble_engine_slot(const NibbleEngine *engine, int index);

// Returns how many bytes nibble_engine_load() still has to see; 0: every weight is in place.
uint64_t nibble_engine_remaining(const NibbleEngine *engine);

// Returns how many packed bytes nibble_engine_load() has put in place, from the first on.
uint64_t nibble_engine_position(const NibbleEngine *engine);

// Returns the packed position before which everything has to be in place for a step of a pass: -1, to begin it; 0 and
// on, for its steps through blocks; the number of these, for its last one, the output. Of an engine whose weights all
// stay.
uint64_t nibble_engine_needs(const NibbleEngine *engine, int step);

// Tell what the engine's model is, and what is in memory now.
void nibble_engine_info(const NibbleEngine *engine, NibbleModelInfo *info);
void nibble_engine_memory(const NibbleEngine *engine, NibbleMemory *memory);

// Returns how many threads work; with choose_threads that may be fewer than were created.
int nibble_engine_threads(const NibbleEngine *engine);

// Returns how many tokens are computed at once in prefill.
int nibble_engine_batch_size(const NibbleEngine *engine);

// Returns number of threads `index` of those that were compared, and sets *rate to the bytes of weights a second that
// it decodes at. 0 past the last one, and where there was no choice.
int nibble_engine_thread_rate(const NibbleEngine *engine, int index, double *rate);

// Returns how many tiles decode reads side by side. Chosen when the engine is complete; 1 until then.
int nibble_engine_tiles_abreast(const NibbleEngine *engine);

// Returns the name of the kernel set in use: the reference's before the choice.
const char *nibble_engine_kernel_set(const NibbleEngine *engine);

// Returns the name of set `index`, and sets *rate to the weights x tokens a second that kernels_measure() found of one
// thread; 0 where it was not measured. NULL past the last set.
const char *nibble_engine_kernel_rate(const NibbleEngine *engine, int index, double *rate);

// Switches the profile on (from zero) or off. False where memory is short.
bool nibble_engine_profile(NibbleEngine *engine, bool on, NibbleError *error);

// Returns the name of operation `index`, and sets *milliseconds to its time since the profile was switched on, summed
// over the threads; 0 while it is off. NULL past the last operation.
const char *nibble_engine_profile_entry(const NibbleEngine *engine, int index, double *milliseconds);

// Measures how many bytes of the weights a second a plain loop on all threads reads, each thread its own share from
// front to back: what decode is to be compared with. 0 while the model is incomplete.
double nibble_engine_read_rate(NibbleEngine *engine);

typedef struct NibbleSession NibbleSession;

// Creates an empty session, which is the caller's to free. Until the engine is complete, its tokens can be computed by
// passes only. NULL, and `error`, where memory is short.
NibbleSession *nibble_session_create(NibbleEngine *engine, NibbleError *error);

// Frees a session, before its engine. Safe on NULL.
void nibble_session_free(NibbleSession *session);

// Creates a session with the same tokens and logits, which is the caller's to free. Pages are shared until one of the
// two writes to them, so a fork takes no time, and no memory but its tables and logits. NULL, and `error`, where memory
// is short or a pass is under way in the session.
NibbleSession *nibble_session_fork(const NibbleSession *session, NibbleError *error);

// Computes `count` tokens and appends them to the timeline; afterwards nibble_session_logits() are those of the last
// one. `targets` and `log_probabilities` [count] are both given or both NULL. Where they are given,
// log_probabilities[i] becomes ln p(targets[i] | everything up to tokens[i]), and 0 where the target is negative. A
// logit that is NaN counts as minus infinity; where none is above that, the entry is NaN. Either all tokens are
// appended or, on an error, none. Errors: MODEL_INCOMPLETE; INVALID_ARGUMENT for tokens that are not in the vocabulary,
// while a pass is under way in the engine, and where weights stream; CONTEXT_FULL; OUT_OF_MEMORY.
bool nibble_session_evaluate(NibbleSession *session, const int32_t *tokens, int count, const int32_t *targets,
                             float *log_probabilities, NibbleError *error);

typedef struct NibblePass NibblePass;

// Begins what nibble_session_evaluate() does, to be made step by step: results are the same to the last bit. The pass
// is the caller's to finish. The arrays are borrowed until then. An engine has one pass at a time, and none of its
// sessions may be used meanwhile. NULL, and `error`, as of nibble_session_evaluate().
//   Where weights stream: the only way to compute. A pass takes sweep_size tokens at most.
//   Where all stay: a pass may begin while weights arrive. The caller makes no step before what it needs is there
//   (nibble_engine_needs()); nothing checks that. Where the last weight arrives meanwhile, the engine is complete when
//   the pass ends.
NibblePass *nibble_pass_begin(NibbleSession *session, const int32_t *tokens, int count, const int32_t *targets,
                              float *log_probabilities, NibbleError *error);

// What nibble_pass_next() returns where the next step needs no segment.
enum {
  NIBBLE_PASS_READY = -1,  // nothing: it computes what is in memory
  NIBBLE_PASS_ROWS = -2,   // embedding rows: see nibble_pass_row()
  NIBBLE_PASS_DONE = -3,   // there is no next step
};

// Returns what the next step needs: the number of a segment, 0 or more, to be read into a slot; or one of the above.
int nibble_pass_next(const NibblePass *pass);

// Returns where row `index` that the step needs belongs, and sets *position and *length to where its packed bytes are.
// The caller writes them there before the step. NULL behind the last row.
uint8_t *nibble_pass_row(const NibblePass *pass, int index, uint64_t *position, uint64_t *length);

// Computes one step. `slot` is the slot that holds the segment; where the step needs none it is not looked at.
void nibble_pass_step(NibblePass *pass, int slot);

// Returns how many steps the pass takes where nothing streams: one for each block, in each loop that the model makes
// through all of them, and one for the output.
int nibble_pass_steps(const NibblePass *pass);

// Returns how many of the steps through blocks nibble_pass_step() has made.
int nibble_pass_blocks(const NibblePass *pass);

// Lets a thread of the engine compute the first `steps` steps, and returns at once. May be called again, to let further
// steps be computed. Meanwhile the caller may load weights, and call nibble_engine_memory(), nibble_pass_driven() and
// nibble_pass_halt(), but nothing else of the engine. False, and nothing is computed, where weights stream or there is
// no thread for it: then nibble_pass_step() has to do.
bool nibble_pass_drive(NibblePass *pass, int steps);

// Returns how many steps were driven to their end.
int nibble_pass_driven(const NibblePass *pass);

// Lets no further step begin. Returns whether none is under way any more.
bool nibble_pass_halt(NibblePass *pass);

// Ends a pass and frees it. Waits for the step under way. Afterwards the tokens are on the timeline or, where the pass
// is not done, the session is as it was. Safe on NULL.
void nibble_pass_finish(NibblePass *pass);

// Returns the logits [vocabulary] behind the last token. They are the session's, and valid until its next call. NULL
// before the first evaluation, after a truncation and after a shift.
const float *nibble_session_logits(const NibbleSession *session);

// Return how many tokens are on the timeline, and these tokens [length], which are valid until the session's next call.
int nibble_session_length(const NibbleSession *session);
const int32_t *nibble_session_tokens(const NibbleSession *session);

// Keeps the first `length` tokens, gives back the pages of the rest, and returns how many tokens the session has now.
// No effect where it is no longer than that, or where a pass is under way in it. Layers with a sliding window have let
// go of what lies more than a page behind it: where the shorter timeline would need some of that, nothing is kept.
int nibble_session_truncate(NibbleSession *session, int length);

// Removes the `drop` tokens behind the first `keep` and moves the rest down, to make room in a full context. Keys are
// rotated to their new positions, so the next tokens see what StreamingLLM's see (arXiv:2309.17453): models go on
// fluently where `keep` is at least 4, and know nothing of what was dropped. F16 and INT8 keys are rounded once more in
// each shift, so drop many at a time. There are no logits until the next evaluation. On an error the session is as it
// was. INVALID_ARGUMENT: there are not so many tokens; a sliding window would reach tokens that it has let go of; or
// the family's keys cannot be moved, as its positions are learned or its keys normalised behind their rotation.
// OUT_OF_MEMORY: pages that are shared with a fork cannot be copied.
bool nibble_session_shift(NibbleSession *session, int keep, int drop, NibbleError *error);

typedef struct NibbleSave NibbleSave;

// Creates a save of a session as it is now: bytes that session_image.c draws. The save is the caller's to free, before
// its engine. It has a fork of its own, so the session may go on, change or be freed. The bytes depend on the model,
// the KV type and the tokens, and with LongRoPE's two sets of factors on which of these the context asks for; not on
// kernel set, threads or batch size. NULL, and `error`, where memory is short.
NibbleSave *nibble_save_create(const NibbleSession *session, NibbleError *error);
void nibble_save_free(NibbleSave *save);  // safe on NULL

// Returns how many bytes the whole save has.
uint64_t nibble_save_bytes(const NibbleSave *save);

// Copies the next bytes of a save, `count` at most, and returns how many; 0 at the end.
size_t nibble_save_read(NibbleSave *save, uint8_t *bytes, size_t count);

typedef struct NibbleRestore NibbleRestore;

// Creates what makes a session of a save's bytes. It is the caller's to free, before its engine. NULL, and `error`,
// where memory is short or the engine incomplete.
NibbleRestore *nibble_restore_create(NibbleEngine *engine, NibbleError *error);
void nibble_restore_free(NibbleRestore *restore);  // safe on NULL

// Takes the next `count` bytes, which are not trusted, in pieces of any size. After an error only nibble_restore_free()
// is left to call; no other session has changed. SAVE_MISMATCH: the save is another model's, KV type's, version's or
// set of factors'. SAVE_DAMAGED: it is no save, or damaged. CONTEXT_FULL: this engine's context is too small for it. A
// forged save brings finite numbers only, except in F32, with which a session may compute NaN, as with a model's own
// weights.
bool nibble_restore_write(NibbleRestore *restore, const uint8_t *bytes, size_t count, NibbleError *error);

// Returns the session, without logits; it is the caller's. NULL, and SAVE_DAMAGED, where bytes are missing.
NibbleSession *nibble_restore_finish(NibbleRestore *restore, NibbleError *error);

#endif
