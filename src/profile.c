#include "profile.h"

#include <time.h>

double profile_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

const char *profile_name(int operation) {
  static const char *const names[PROFILE_OPERATIONS] = {
      [PROFILE_EMBEDDING] = "embedding",     [PROFILE_NORM_AND_PACK] = "norm and quantise",
      [PROFILE_QUERY_KEY_VALUE] = "Q, K, V", [PROFILE_ROPE_AND_STORE] = "RoPE and KV store",
      [PROFILE_ATTENTION] = "attention",     [PROFILE_ATTENTION_OUTPUT] = "attention output",
      [PROFILE_GATE_AND_UP] = "gate and up", [PROFILE_DOWN] = "down",
      [PROFILE_LOGITS] = "logits",           [PROFILE_WAIT] = "barrier wait",
  };
  return operation >= 0 && operation < PROFILE_OPERATIONS ? names[operation] : 0;
}

void profile_begin(ProfileThread *thread) { thread->last = profile_clock(); }

void profile_book(ProfileThread *thread, ProfileOperation operation) {
  const double now = profile_clock();
  thread->seconds[operation] += now - thread->last;
  thread->last = now;
}
