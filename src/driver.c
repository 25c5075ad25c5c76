#define _POSIX_C_SOURCE 200809L
#include "driver.h"

#include <pthread.h>
#include <stdlib.h>

struct Driver {
  pthread_t handle;
  pthread_mutex_t mutex;  // of all that follows
  pthread_cond_t changed;
  DriverStep *step;
  void *context;
  int allowed, made;
  bool steps;   // a step is under way
  bool leaves;  // the thread is to end
};

static void *drive(void *argument) {
  Driver *driver = argument;
  pthread_mutex_lock(&driver->mutex);
  while (!driver->leaves) {
    if (driver->made >= driver->allowed) {
      pthread_cond_wait(&driver->changed, &driver->mutex);
      continue;
    }
    driver->steps = true;
    pthread_mutex_unlock(&driver->mutex);
    driver->step(driver->context);
    pthread_mutex_lock(&driver->mutex);
    driver->steps = false;
    driver->made++;
    pthread_cond_broadcast(&driver->changed);
  }
  pthread_mutex_unlock(&driver->mutex);
  return NULL;
}

Driver *driver_create(void) {
  Driver *driver = calloc(1, sizeof *driver);
  if (driver == NULL) return NULL;
  pthread_mutex_init(&driver->mutex, NULL);
  pthread_cond_init(&driver->changed, NULL);
  if (pthread_create(&driver->handle, NULL, drive, driver) == 0) return driver;
  pthread_cond_destroy(&driver->changed);
  pthread_mutex_destroy(&driver->mutex);
  free(driver);
  return NULL;
}

void driver_free(Driver *driver) {
  if (driver == NULL) return;
  pthread_mutex_lock(&driver->mutex);
  driver->leaves = true;
  pthread_cond_broadcast(&driver->changed);
  pthread_mutex_unlock(&driver->mutex);
  pthread_join(driver->handle, NULL);
  pthread_cond_destroy(&driver->changed);
  pthread_mutex_destroy(&driver->mutex);
  free(driver);
}

void driver_begin(Driver *driver, DriverStep *step, void *context) {
  pthread_mutex_lock(&driver->mutex);
  driver->step = step;
  driver->context = context;
  driver->allowed = driver->made = 0;
  pthread_mutex_unlock(&driver->mutex);
}

void driver_allow(Driver *driver, int steps) {
  pthread_mutex_lock(&driver->mutex);
  driver->allowed = steps;
  pthread_cond_broadcast(&driver->changed);
  pthread_mutex_unlock(&driver->mutex);
}

int driver_made(Driver *driver) {
  pthread_mutex_lock(&driver->mutex);
  const int made = driver->made;
  pthread_mutex_unlock(&driver->mutex);
  return made;
}

bool driver_halt(Driver *driver) {
  pthread_mutex_lock(&driver->mutex);
  driver->allowed = 0;
  const bool rests = !driver->steps;
  pthread_mutex_unlock(&driver->mutex);
  return rests;
}

void driver_rest(Driver *driver) {
  pthread_mutex_lock(&driver->mutex);
  driver->allowed = 0;
  while (driver->steps)
    pthread_cond_wait(&driver->changed, &driver->mutex);
  pthread_mutex_unlock(&driver->mutex);
}
