# The toolchain file of the wasm build: Emscripten's own, found through emcc on PATH, and this project's flags.
#   cmake -B build/wasm-cmake -DCMAKE_TOOLCHAIN_FILE=emscripten.cmake && cmake --build build/wasm-cmake

find_program(NIBBLE_EMCC emcc)
if(NOT NIBBLE_EMCC)
  message(FATAL_ERROR "emcc is not on PATH. Run `npm run build`, which finds or fetches Emscripten, or put Emscripten "
                      "3.1.69 or newer on PATH.")
endif()
get_filename_component(NIBBLE_EMSCRIPTEN "${NIBBLE_EMCC}" REALPATH)
get_filename_component(NIBBLE_EMSCRIPTEN "${NIBBLE_EMSCRIPTEN}" DIRECTORY)
include("${NIBBLE_EMSCRIPTEN}/cmake/Modules/Platform/Emscripten.cmake")
execute_process(COMMAND "${NIBBLE_EMSCRIPTEN}/em-config" LLVM_ROOT OUTPUT_VARIABLE NIBBLE_LLVM
                OUTPUT_STRIP_TRAILING_WHITESPACE)
find_program(NIBBLE_WASM_LD wasm-ld HINTS "${NIBBLE_LLVM}" REQUIRED)

# Release unless asked otherwise: an unoptimised core is of no use to anyone.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_C_FLAGS_RELEASE "-Oz -DNDEBUG" CACHE STRING "" FORCE) # small: most of the code runs once
set(NIBBLE_WASM_HOT -O2) # where every token passes through
set(NIBBLE_WASM_VECTORS -O3 -fno-vectorize) # the same where vectors are written as such: what is left are short ends

set(NIBBLE_WASM_COMPILE
    -pthread   # shared memory and atomics, in every object that is linked
    -msimd128) # 128-bit vectors: in every browser since 2023

# Only the relaxed kernels may hold relaxed instructions: a browser without them refuses a module that has any.
set(NIBBLE_WASM_RELAXED -mrelaxed-simd)

set(NIBBLE_WASM_LINK
    -pthread                    # shared memory, and the glue that starts workers
    -Oz                         # wasm-opt keeps what the compiler made, and the glue's minifier does all it can
    -sMODULARIZE                # a factory: two engines are two modules, no globals
    -sFILESYSTEM=0              # models come through js/core/runtime.js, not through an emulated disk
    -sALLOW_MEMORY_GROWTH       # a small model takes little
    -Wno-pthreads-mem-growth    # growing is only slow for code that keeps views; js/core/runtime.js takes them afresh
    -sMEMORY_GROWTH_LINEAR_STEP=1MB # not by a fifth, which would break a memory budget
    -sINITIAL_MEMORY=2MB        # static data and the stack
    -sMAXIMUM_MEMORY=4GB        # all that wasm32 can address
    -sSTACK_SIZE=256KB          # the deepest call chain takes a few KB
    -sDEFAULT_PTHREAD_STACK_SIZE=128KB
    -sPTHREAD_POOL_SIZE=Module.pthreadPoolSize # workers start before C does, which cannot wait for them
    -sPTHREAD_POOL_SIZE_STRICT=2 # asking for a thread beyond the pool fails at once instead of waiting for ever
    -sMALLOC=emmalloc           # half the size; the core asks for few and large pieces
    -sABORTING_MALLOC=0         # out of memory is an error value, not an end
    -sEXPORTED_RUNTIME_METHODS=wasmMemory,PThread # js/core/runtime.js reads the heap and ends the threads
    -sINCOMING_MODULE_JS_API=wasmBinary,instantiateWasm,wasmMemory,mainScriptUrlOrBlob,print,printErr # what it passes in; glue for the rest goes
    -sSUPPORT_LONGJMP=0         # not used
    -sWASM_BIGINT               # no i64 is split in two
    -sTEXTDECODER=2             # no decoder in JavaScript: every browser has one
    -sASSERTIONS=0)             # the core checks its input itself

# The native tests as programs for Node.
set(NIBBLE_WASM_TEST_LINK
    -pthread -O1                # nothing is optimised again
    -sENVIRONMENT=node
    -sEXIT_RUNTIME              # main() ends the process, with its status
    -sPROXY_TO_PTHREAD          # main() may wait for threads, which only a free event loop can start
    -sALLOW_MEMORY_GROWTH -Wno-pthreads-mem-growth
    -sMAXIMUM_MEMORY=4GB        # what the engine can have
    -sMALLOC=emmalloc           # where it has it from: its calloc() multiplies in 32 bits
    -sABORTING_MALLOC=0         # and how it learns that there is no more
    -sSTACK_SIZE=1MB -sDEFAULT_PTHREAD_STACK_SIZE=1MB) # tests keep arrays there

# src/checksum.c as a module of its own.
set(NIBBLE_CHECKSUM_LINK
    --no-entry --strip-all
    --import-memory --shared-memory --max-memory=4294967296 # the engine's
    --export=checksum_begin --export=checksum_update --export=checksum_end)
