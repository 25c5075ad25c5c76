// A thread that makes the steps of a job one after the other, each as soon as it is let, so that whoever has the job
// can do other things meanwhile.
#ifndef NIBBLE_DRIVER_H
#define NIBBLE_DRIVER_H

#include <stdbool.h>

typedef struct Driver Driver;

typedef void DriverStep(void *context);

// NULL where the platform has no thread for it.
Driver *driver_create(void);
void driver_free(Driver *driver);  // waits for the step under way; safe on NULL

// Begins a job, of which no step is let yet. The one before has to be at rest.
void driver_begin(Driver *driver, DriverStep *step, void *context);

// Lets the first `steps` steps of the job be made, in order.
void driver_allow(Driver *driver, int steps);

// Steps that have been made. All writes of theirs are seen afterwards.
int driver_made(Driver *driver);

// No further step begins. Returns whether none is under way any more: the job is at rest then.
bool driver_halt(Driver *driver);

// The same, and waits for it.
void driver_rest(Driver *driver);

#endif
