#include <stdio.h>
int main(void)
{
	int unused;
	put("hello");
	return greeting;
}
