/*
 * The directories and files of the mount, made of the table in files.c, with numbers for the kernel: node ids are made
 * from the path alone, so that they mean the same in every worker and in other versions of the program.
 */
#ifndef SYSCT_LXCFS_TREE_H
#define SYSCT_LXCFS_TREE_H

#include "lxcfs/files.h"

enum { TREE_ROOT = 1 };

struct node {
	uint64_t id;	  /* without a number */
	const char *name; /* last component; "cpu*" where it has a number */
	size_t length;
	const char *path; /* up to and with that component */
	size_t path_length;
	const struct node *parent;   /* NULL: the root */
	const struct file *file;     /* a file; NULL: a directory */
	const struct file *numbered; /* a row below that knows the numbers of "*"; NULL: none */
	const struct node *children, *sibling;
};

/* Builds it once. Ends the program when two paths have one id, which a unit test would have found. */
void tree_build(void);

/* The node of an id, and the number in its path (0 without one). NULL: there is none. */
const struct node *tree_node(uint64_t id, unsigned *number);

/* The id of a node; @number as tree_node() gives it. */
uint64_t tree_id(const struct node *node, unsigned number);

/**
 * tree_child - a name in a directory.
 * *number: of the directory, and, when the name has one itself, changed to that.
 */
const struct node *tree_child(const struct node *directory, const char *name, unsigned *number);

#endif
