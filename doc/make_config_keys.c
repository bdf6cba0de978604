/* Prints doc/config-keys.md. */
#include "instance/config_keys.h"

int main(void)
{
	config_keys_write_reference(stdout);
	return ferror(stdout) || fclose(stdout) != 0;
}
