#include "lxcfs/arguments.h"

#include <stdio.h>

enum { COUNT = 5 };

void arguments_make(struct arguments *arguments, const char *mode,
		    const struct inheritance *inheritance, pid_t supervisor)
{
	snprintf(arguments->descriptors, sizeof(arguments->descriptors), "%d,%d,%d,%d",
		 inheritance->fuse, inheritance->memory, inheritance->socket, (int)supervisor);
	char *list[] = {(char *)"sysct-lxcfs",		 (char *)mode,
			arguments->descriptors,		 (char *)inheritance->program,
			(char *)inheritance->mountpoint, NULL};
	for (int i = 0; i <= COUNT; i++)
		arguments->list[i] = list[i];
}

bool arguments_parse(int count, char **list, struct inheritance *inheritance, pid_t *supervisor)
{
	char rest;
	if (count != COUNT ||
	    sscanf(list[2], "%d,%d,%d,%d%c", &inheritance->fuse, &inheritance->memory,
		   &inheritance->socket, supervisor, &rest) != 4)
		return false;
	inheritance->program = list[3];
	inheritance->mountpoint = list[4];
	return true;
}
