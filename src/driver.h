// A thread that makes the steps of a job one after the other, each as soon as it is let, so that whoever has the job
// can do other things meanwhile.
#ifndef NIBBLE_DRIVER_H
#define NIBBLE_DRIVER_H

#include <stdbool.h>

typedef struct Driver Driver;

typedef void DriverStep(void *context);

// Creates a driver, which is the caller's to free. NULL where the platform has no thread for it.
Driver *driver_create(void);

// Waits for the step under way, and ends the thread. Safe on NULL.
void driver_free(Driver *driver);

// Begins a job, of which no step is let yet. The one before has to be at rest.
void driver_begin(Driver *driver, DriverStep *step, void *context);

// Lets the first `steps` steps of the job be made, in order.
void driver_allow(Driver *driver, int steps);

// Returns how many steps have been made. All that they wrote is seen afterwards.
int driver_made(Driver *driver);

// Lets no further step begin. Returns whether none is under way any more: then the job is at rest.
bool driver_halt(Driver *driver);

// Lets no further step begin, and waits until the job is at rest.
void driver_rest(Driver *driver);

#endif
