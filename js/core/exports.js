// The functions of wasm/exports.txt as JavaScript sees them. There is no code here. Pointers, counts, ids and flags are
// numbers, as doubles are; a pointer of the upper half of the heap comes out negative. `fields` is a place for numbers.

/**
 * @typedef {object} CoreFunctions
 * @property {() => number} _api_checksum_size
 * @property {(gguf: number, threads: number, contextSize: number, batchSize: number, exact: number, kvType: number, budget: number, info: number, memory: number, error: number) => number} _api_describe
 * @property {(gguf: number, threads: number, chooseThreads: number, contextSize: number, batchSize: number, exact: number, kvType: number, kernelSet: number, tileStreams: number, budget: number, error: number) => number} _api_engine_create
 * @property {(engine: number, fields: number) => void} _api_engine_info
 * @property {(engine: number, fields: number) => void} _api_engine_memory
 * @property {(engine: number, block: number) => number} _api_engine_needs
 * @property {(engine: number, position: number, length: number) => bigint} _api_engine_packed_checksum
 * @property {(engine: number, position: number, fields: number) => void} _api_engine_packed_range
 * @property {(engine: number, position: number, bytes: number, length: number) => void} _api_engine_pass_by
 * @property {(engine: number) => number} _api_engine_position
 * @property {(engine: number) => number} _api_engine_remaining
 * @property {(engine: number, segment: number, index: number, fields: number) => number} _api_engine_segment
 * @property {() => number} _api_error_size
 * @property {(gguf: number) => void} _api_gguf_close
 * @property {(gguf: number) => number} _api_gguf_data_offset
 * @property {(header: number, available: number, fileSize: number, error: number) => number} _api_gguf_open
 * @property {(gguf: number, index: number, fields: number) => void} _api_gguf_pair
 * @property {(gguf: number) => number} _api_gguf_pair_count
 * @property {(gguf: number, index: number, fields: number) => void} _api_gguf_tensor
 * @property {(gguf: number) => number} _api_gguf_tensor_count
 * @property {(gguf: number) => number} _api_gguf_version
 * @property {() => number} _api_heap_used
 * @property {(packer: number) => number} _api_packer_file_position
 * @property {(packer: number) => number} _api_packer_packed_bytes
 * @property {(packer: number) => number} _api_packer_position
 * @property {(packer: number, position: number) => void} _api_packer_seek
 * @property {(pass: number, index: number, fields: number) => number} _api_pass_row
 * @property {(values: number, topK: number, penaltyWindow: number, seedLow: number, seedHigh: number, vocabulary: number, error: number) => number} _api_sampler_create
 * @property {(save: number) => number} _api_save_bytes
 * @property {(type: number) => number} _api_tensor_type_name
 * @property {(kind: number) => number} _api_tile_kind_name
 * @property {(checksum: number) => void} _checksum_begin
 * @property {(checksum: number) => bigint} _checksum_end
 * @property {(checksum: number, bytes: number, count: number) => void} _checksum_update
 * @property {(pointer: number) => void} _free
 * @property {(bytes: number) => number} _malloc
 * @property {(engine: number) => number} _nibble_engine_batch_size
 * @property {(engine: number) => void} _nibble_engine_choose_kernels
 * @property {(engine: number, error: number) => number} _nibble_engine_finish
 * @property {(engine: number) => void} _nibble_engine_free
 * @property {(engine: number, index: number, rate: number) => number} _nibble_engine_kernel_rate
 * @property {(engine: number) => number} _nibble_engine_kernel_set
 * @property {(engine: number, bytes: number, count: number, error: number) => number} _nibble_engine_load
 * @property {(engine: number, on: number, error: number) => number} _nibble_engine_profile
 * @property {(engine: number, index: number, milliseconds: number) => number} _nibble_engine_profile_entry
 * @property {(engine: number) => number} _nibble_engine_read_rate
 * @property {(engine: number, index: number) => number} _nibble_engine_slot
 * @property {(engine: number, index: number, rate: number) => number} _nibble_engine_thread_rate
 * @property {(engine: number) => number} _nibble_engine_threads
 * @property {(engine: number) => number} _nibble_engine_tiles_abreast
 * @property {(code: number) => number} _nibble_error_name
 * @property {() => number} _nibble_packed_layout
 * @property {(packer: number, error: number) => number} _nibble_packer_check
 * @property {(gguf: number, error: number) => number} _nibble_packer_create
 * @property {(packer: number) => void} _nibble_packer_free
 * @property {(packer: number) => number} _nibble_packer_output
 * @property {(packer: number) => number} _nibble_packer_output_bytes
 * @property {(packer: number, bytes: number, count: number) => number} _nibble_packer_push
 * @property {(session: number, tokens: number, count: number, targets: number, logProbabilities: number, error: number) => number} _nibble_pass_begin
 * @property {(pass: number) => number} _nibble_pass_blocks
 * @property {(pass: number, steps: number) => number} _nibble_pass_drive
 * @property {(pass: number) => number} _nibble_pass_driven
 * @property {(pass: number) => void} _nibble_pass_finish
 * @property {(pass: number) => number} _nibble_pass_halt
 * @property {(pass: number) => number} _nibble_pass_next
 * @property {(pass: number, slot: number) => void} _nibble_pass_step
 * @property {(pass: number) => number} _nibble_pass_steps
 * @property {(engine: number, error: number) => number} _nibble_restore_create
 * @property {(restore: number, error: number) => number} _nibble_restore_finish
 * @property {(restore: number) => void} _nibble_restore_free
 * @property {(restore: number, bytes: number, count: number, error: number) => number} _nibble_restore_write
 * @property {(sampler: number, token: number, error: number) => number} _nibble_sampler_accept
 * @property {(sampler: number, token: number, bias: number, error: number) => number} _nibble_sampler_bias
 * @property {(sampler: number) => void} _nibble_sampler_free
 * @property {(sampler: number, allowed: number) => number} _nibble_sampler_has_choice
 * @property {(sampler: number, logits: number, allowed: number) => number} _nibble_sampler_sample
 * @property {(session: number, error: number) => number} _nibble_save_create
 * @property {(save: number) => void} _nibble_save_free
 * @property {(save: number, bytes: number, count: number) => number} _nibble_save_read
 * @property {(engine: number, error: number) => number} _nibble_session_create
 * @property {(session: number, tokens: number, count: number, targets: number, logProbabilities: number, error: number) => number} _nibble_session_evaluate
 * @property {(session: number, error: number) => number} _nibble_session_fork
 * @property {(session: number) => void} _nibble_session_free
 * @property {(session: number) => number} _nibble_session_length
 * @property {(session: number) => number} _nibble_session_logits
 * @property {(session: number, keep: number, drop: number, error: number) => number} _nibble_session_shift
 * @property {(session: number) => number} _nibble_session_tokens
 * @property {(session: number, length: number) => number} _nibble_session_truncate
 * @property {(pointer: number, bytes: number) => number} _realloc
 */

/**
 * @typedef {CoreFunctions & { PThread?: { terminateAllThreads: () => void } }} Core what Emscripten's glue makes
 */

export {};
