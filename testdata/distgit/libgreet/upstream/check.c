#include <string.h>

#include "greet.h"

int main(void)
{
	char text[32];

	greet(text, sizeof text, "world");
	return strcmp(text, "Hello, world!") != 0;
}
