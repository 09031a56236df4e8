#ifndef GREET_H
#define GREET_H

#include <stddef.h>

/* Writes a greeting of whom into buffer, as snprintf does. */
int greet(char *buffer, size_t size, const char *whom);

#endif
