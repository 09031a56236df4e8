#include <stdio.h>

#include "greet.h"

int greet(char *buffer, size_t size, const char *whom)
{
	return snprintf(buffer, size, "Hello, %s!", whom);
}
