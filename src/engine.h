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

// Checks the model in a parsed header as nibble_engine_create() does, and tells what it is and needs, without reserving
// anything. Either result may be NULL.
bool nibble_describe(const Gguf *gguf, const NibbleOptions *options, NibbleModelInfo *info, NibbleMemory *memory,
                     NibbleError *error);

typedef struct NibbleEngine NibbleEngine;

// Builds an engine for the model in a parsed header, without its weights. `gguf` is only read during the call. NULL,
// and `error`, where the model is not one this engine runs, contradicts itself, or memory or threads are refused.
NibbleEngine *nibble_engine_create(const Gguf *gguf, const NibbleOptions *options, NibbleError *error);
void nibble_engine_free(NibbleEngine *engine);  // after its sessions; safe on NULL

// Measures the kernel sets and takes the fastest, once, where that was left to the engine. Whoever reads weights into
// their places does so after the reads have begun; a pass, and nibble_engine_finish(), see to it otherwise. Under a
// budget it is done when the engine is created.
void nibble_engine_choose_kernels(NibbleEngine *engine);

// Takes the next `count` bytes of the file, from gguf.data_offset on, in file order and in pieces of any size, and
// re-tiles them into place. Bytes behind the last tensor are ignored. False where a tensor has a scale, or a weight,
// that is infinite or NaN (NIBBLE_MODEL_BAD_TENSOR): the engine then never has all of its weights.
bool nibble_engine_load(NibbleEngine *engine, const uint8_t *bytes, size_t count, NibbleError *error);

// Where the packed bytes from `position` on belong, and how many of them in one piece; NULL for those that do not stay
// in memory, and NULL with a length of 0 where no weight is that far back. Weights come by this way or by
// nibble_engine_load(), not by both; those of an engine that streams only by this one.
uint8_t *nibble_engine_packed_range(NibbleEngine *engine, uint64_t position, uint64_t *length);

// Says that every packed byte is in place. Checks nothing: that is for checksums to do. While a pass is under way, what
// was left to the engine to measure waits for the next call of this, or for the next tokens.
bool nibble_engine_finish(NibbleEngine *engine, NibbleError *error);

// The checksum (checksum.h) of `length` packed bytes from `position` on, as they stand in the engine.
uint64_t nibble_engine_packed_checksum(NibbleEngine *engine, uint64_t position, uint64_t length);

// Shows packed bytes that do not stay, once: what saved sessions know the model by.
void nibble_engine_pass_by(NibbleEngine *engine, uint64_t position, const uint8_t *bytes, size_t length);

// What streams in every pass, in the order of its use: a segment is so many packed ranges, which lie one behind the
// other in a slot. Range `index` of a segment; false behind the last, of the last segment too.
bool nibble_engine_segment(const NibbleEngine *engine, int segment, int index, uint64_t *position, uint64_t *length);

// Slot `index` of the ring, slot_bytes long; NULL behind the last. Its bytes are the caller's to write whenever no step
// that was given it is under way.
uint8_t *nibble_engine_slot(const NibbleEngine *engine, int index);

// Bytes that nibble_engine_load() still has to see; 0: every weight is in place.
uint64_t nibble_engine_remaining(const NibbleEngine *engine);

// Packed bytes that nibble_engine_load() has put in place, from the first on.
uint64_t nibble_engine_position(const NibbleEngine *engine);

// Up to which packed position everything has to be in place before a pass begins (`step` -1), before its step for
// block 0, 1, ..., and before its last, for the output (the number of such steps). Of an engine that does not stream.
uint64_t nibble_engine_needs(const NibbleEngine *engine, int step);

void nibble_engine_info(const NibbleEngine *engine, NibbleModelInfo *info);
void nibble_engine_memory(const NibbleEngine *engine, NibbleMemory *memory);
int nibble_engine_threads(const NibbleEngine *engine);  // those that work
int nibble_engine_batch_size(const NibbleEngine *engine);

// What the choice of the threads measured: a number of threads, and the bytes of weights a second that they decode at.
// 0 past the last one, and where there was no choice.
int nibble_engine_thread_rate(const NibbleEngine *engine, int index, double *rate);

// The tiles that decode reads side by side; of an engine that has all its weights.
int nibble_engine_tiles_abreast(const NibbleEngine *engine);

// The kernel set in use (the reference before the choice), and what that measured: `rate` is weights a second of one
// thread's matrix x vector product, 0 where it was not measured. NULL past the last set.
const char *nibble_engine_kernel_set(const NibbleEngine *engine);
const char *nibble_engine_kernel_rate(const NibbleEngine *engine, int index, double *rate);

// Switches the profile on (from zero) or off. False where memory is short.
bool nibble_engine_profile(NibbleEngine *engine, bool on, NibbleError *error);

// An operation's name, and its milliseconds since the profile was switched on, summed over the threads (0 while it is
// off). NULL past the last one.
const char *nibble_engine_profile_entry(const NibbleEngine *engine, int index, double *milliseconds);

// Bytes a second that a plain loop on all threads reads of the weights, each thread its own share from front to back:
// what decode is to be compared with. 0 while the model is incomplete.
double nibble_engine_read_rate(NibbleEngine *engine);

typedef struct NibbleSession NibbleSession;

// A new, empty session. Until the engine is complete, its tokens are computed in passes alone.
NibbleSession *nibble_session_create(NibbleEngine *engine, NibbleError *error);
void nibble_session_free(NibbleSession *session);  // before its engine; safe on NULL

// A session with the same tokens and logits that goes its own way from here. The pages are shared until one of the two
// writes to them, so a fork takes no time and no memory but its tables. NULL, and `error`, where memory is short.
NibbleSession *nibble_session_fork(const NibbleSession *session, NibbleError *error);

// Appends `count` tokens to the timeline and computes them; afterwards nibble_session_logits() are those of the last
// one. Where `log_probabilities` is given, entry i becomes ln p(targets[i] | everything up to tokens[i]); a negative
// target is skipped (its entry is 0). A logit that is NaN counts as minus infinity; where none is above that, the entry
// is NaN. Either everything is appended, or (on error) nothing.
bool nibble_session_evaluate(NibbleSession *session, const int32_t *tokens, int count, const int32_t *targets,
                             float *log_probabilities, NibbleError *error);

// nibble_session_evaluate() in steps, with the same results to the last bit, for any engine; the only way for one that
// streams, which takes sweep_size tokens at most. One that does not may take a pass while its weights arrive: no step
// before what it needs is there (nibble_engine_needs()), which nothing checks. Where the last weight arrives meanwhile,
// the engine is complete when the pass ends. The arrays are borrowed until the pass ends. An engine has one pass at a
// time, and none of its sessions is touched meanwhile. NULL, and `error`, as there.
typedef struct NibblePass NibblePass;
NibblePass *nibble_pass_begin(NibbleSession *session, const int32_t *tokens, int count, const int32_t *targets,
                              float *log_probabilities, NibbleError *error);

// What the next step needs: a segment (0 or more) in a slot, or one of these.
enum {
  NIBBLE_PASS_READY = -1,  // nothing: it computes what is in memory
  NIBBLE_PASS_ROWS = -2,   // embedding rows: see nibble_pass_row()
  NIBBLE_PASS_DONE = -3,   // there is no next step
};
int nibble_pass_next(const NibblePass *pass);

// Row `index` that the step needs: where its packed bytes are, and where they belong. NULL behind the last.
uint8_t *nibble_pass_row(const NibblePass *pass, int index, uint64_t *position, uint64_t *length);

// Computes one step. `slot` holds the segment; where there is none it is not looked at.
void nibble_pass_step(NibblePass *pass, int slot);

// How many steps the pass takes where nothing streams: one for each block, as often as a model goes through all of
// them, and the output.
int nibble_pass_steps(const NibblePass *pass);

// Such steps through blocks that have been made, unless the pass is driven.
int nibble_pass_blocks(const NibblePass *pass);

// Lets a thread of its own compute the first `steps` steps, where nothing streams, and returns at once: the caller may
// load weights meanwhile and call again to let further ones, but nothing else of the engine except
// nibble_engine_memory() and the next two. False, and nothing is computed, where there is no thread for it: then
// nibble_pass_step() has to do.
bool nibble_pass_drive(NibblePass *pass, int steps);

// Steps that were driven to their end.
int nibble_pass_driven(const NibblePass *pass);

// Lets no further step begin. Returns whether none is under way; until then nibble_pass_finish() waits for it.
bool nibble_pass_halt(NibblePass *pass);

// Ends the pass: the tokens are on the timeline, or, where it is not done, the session is as it was.
void nibble_pass_finish(NibblePass *pass);  // safe on NULL

// Logits [vocabulary] after the last evaluated token, owned by the session and valid until its next call; NULL before
// the first evaluation and after a truncation.
const float *nibble_session_logits(const NibbleSession *session);

// Tokens on the timeline: how many, and which, [length], valid until the session's next call.
int nibble_session_length(const NibbleSession *session);
const int32_t *nibble_session_tokens(const NibbleSession *session);

// Keeps the first `length` tokens and gives back the pages of the rest; no effect where the session is shorter, or
// where a pass is under way in it. Layers with a sliding window have let go of what lies a page behind it: where a
// timeline of `length` tokens would need some of that, nothing is kept. Returns how many tokens the session has now.
int nibble_session_truncate(NibbleSession *session, int length);

// Makes room in a full context: keeps the first `keep` tokens, removes the `drop` tokens behind them, and moves the
// rest down. Keys move to their new positions by a rotation, so that the next tokens see what StreamingLLM's see (Xiao
// et al. 2023, arXiv:2309.17453: attention sinks, and positions within the cache rather than in the text): models go on
// fluently where `keep` is at least 4, but know nothing of what was dropped. F16 and INT8 keys are rounded once more in
// each shift, so drop many at a time. There are no logits until the next evaluation. INVALID_ARGUMENT where there are
// not so many tokens, where a layer's sliding window would reach tokens that it has let go of, or where the family
// normalises keys behind their rotation, so that they cannot be moved; OUT_OF_MEMORY where pages that are shared with a
// fork cannot be copied. On an error the session is as it was.
bool nibble_session_shift(NibbleSession *session, int keep, int drop, NibbleError *error);

// A session as bytes, read from front to back in pieces of any size. The save has a fork of its own: the session may go
// on, change or be freed meanwhile. The bytes depend on the model, the KV type and the tokens alone, not on kernel set,
// threads or batch size, and for a model with LongRoPE's two sets of factors on which of them the engine's context asks
// for; session_image.c draws them. NULL, and `error`, where memory is short.
typedef struct NibbleSave NibbleSave;
NibbleSave *nibble_save_create(const NibbleSession *session, NibbleError *error);
void nibble_save_free(NibbleSave *save);  // before its engine; safe on NULL
uint64_t nibble_save_bytes(const NibbleSave *save);
size_t nibble_save_read(NibbleSave *save, uint8_t *bytes, size_t count);  // how many were read; 0 at the end

// Takes the bytes of a save, in order and in pieces of any size, and makes a session of them, without logits. The bytes
// are not trusted. SAVE_MISMATCH: the save is another model's, KV type's, version's or set of factors'; SAVE_DAMAGED:
// it is no save, or damaged, or cut short; CONTEXT_FULL: this engine's context is too small for it. After an error only
// nibble_restore_free() is left to call; no session has changed. A forged save brings finite numbers only, but for
// one of F32 keys and values, whose session may compute NaN as a model's own weights may.
typedef struct NibbleRestore NibbleRestore;
NibbleRestore *nibble_restore_create(NibbleEngine *engine, NibbleError *error);
void nibble_restore_free(NibbleRestore *restore);  // before its engine; safe on NULL
bool nibble_restore_write(NibbleRestore *restore, const uint8_t *bytes, size_t count, NibbleError *error);
NibbleSession *nibble_restore_finish(NibbleRestore *restore, NibbleError *error);  // the session is the caller's

#endif
