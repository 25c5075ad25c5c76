// From a model and options to what an engine is to be made of: context, batch and sweep, and which weights stay in
// memory.
#ifndef NIBBLE_ENGINE_PLAN_H
#define NIBBLE_ENGINE_PLAN_H

#include "engine.h"
#include "kv_cache.h"
#include "run.h"

typedef struct {
  NibbleOptions options;  // with everything filled in
  KvShape kv;
  void *kv_layers;  // of kv; the caller's to free
  RunSizes sizes;
  uint64_t least_budget;  // 0 where there is none
  uint64_t kv_limit;      // bytes of pages of one full context, at most at any time
} EnginePlan;

// Checks the options against a planned model, and limits that to the memory budget. On an error there is nothing to
// free.
bool engine_plan(EnginePlan *plan, Model *model, const NibbleOptions *options, NibbleError *error);

void engine_describe(const Model *model, RunSizes sizes, KvType kv_type, uint64_t least_budget, NibbleModelInfo *info);

#endif
