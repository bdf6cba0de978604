/* See command.h: finding a row by the words of the user. */
#include "command.h"

#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/memory.h"

void command_each(void (*visit)(const struct command_group *, const struct command *, void *),
		  void *data)
{
	for (const struct command_group *const *group = command_groups; *group; group++)
		for (const struct command *command = (*group)->commands; command->path; command++)
			visit(*group, command, data);
}

/* True if @word is one of the words in @list, which are parted by blanks. */
static bool in_list(const char *list, const char *word)
{
	size_t length = strlen(word);
	while (list && *list) {
		size_t part = strcspn(list, " ");
		if (part == length && strncmp(list, word, length) == 0)
			return true;
		list += part + strspn(list + part, " ");
	}
	return false;
}

/* How many words of the path were spelled; all of them is a match. */
static int words_spelled(const struct command *command, char *const *words, int count,
			 bool *complete)
{
	const char *at = command->path;
	int spelled = 0;
	*complete = false;
	while (*at && spelled < count) {
		size_t part = strcspn(at, " ");
		bool last = !at[part];
		bool same =
			strlen(words[spelled]) == part && strncmp(at, words[spelled], part) == 0;
		if (!same && !(last && in_list(command->aliases, words[spelled])))
			break;
		spelled++;
		at += part + strspn(at + part, " ");
	}
	*complete = !*at;
	return spelled;
}

const struct command *command_find(char *const *words, int count, int *used)
{
	const struct command *found = NULL;
	int best = 0, group_words = 0;
	for (const struct command_group *const *group = command_groups; *group; group++) {
		for (const struct command *row = (*group)->commands; row->path; row++) {
			bool complete;
			int spelled = words_spelled(row, words, count, &complete);
			if (complete && spelled > best) {
				found = row;
				best = spelled;
			} else if (!complete && spelled > group_words) {
				group_words = spelled;
			}
		}
	}
	*used = found ? best : group_words;
	return found;
}

bool command_is_group(const char *prefix)
{
	size_t length = strlen(prefix);
	for (const struct command_group *const *group = command_groups; *group; group++)
		for (const struct command *row = (*group)->commands; row->path; row++)
			if (strncmp(row->path, prefix, length) == 0 && row->path[length] == ' ')
				return true;
	return false;
}

enum { NEAR_MAX = 24 };

static int smallest(int a, int b, int c)
{
	int least = a < b ? a : b;
	return least < c ? least : c;
}

/* Edits (insert, delete, replace, swap of neighbours) between two short words. */
static int edit_distance(const char *a, size_t a_length, const char *b)
{
	int rows[NEAR_MAX + 1][NEAR_MAX + 1];
	size_t b_length = strlen(b);
	if (a_length > NEAR_MAX || b_length > NEAR_MAX)
		return NEAR_MAX;
	for (size_t i = 0; i <= a_length; i++)
		rows[i][0] = (int)i;
	for (size_t j = 0; j <= b_length; j++)
		rows[0][j] = (int)j;
	for (size_t i = 1; i <= a_length; i++) {
		for (size_t j = 1; j <= b_length; j++) {
			int differs = a[i - 1] != b[j - 1];
			rows[i][j] = smallest(rows[i - 1][j] + 1, rows[i][j - 1] + 1,
					      rows[i - 1][j - 1] + differs);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    rows[i - 2][j - 2] + 1 < rows[i][j])
				rows[i][j] = rows[i - 2][j - 2] + 1;
		}
	}
	return rows[a_length][b_length];
}

static bool is_near(int distance, size_t length)
{
	return distance <= (length <= 3 ? 1 : length <= 6 ? 2 : 3);
}

struct nearest {
	const char *word;
	size_t length;
	int distance;
};

static void consider(struct nearest *nearest, const char *candidate, size_t length,
		     const char *word)
{
	int distance = edit_distance(candidate, length, word);
	if (distance < nearest->distance && is_near(distance, strlen(word)))
		*nearest = (struct nearest){candidate, length, distance};
}

char *command_suggest(const char *prefix, const char *word)
{
	struct nearest nearest = {.distance = NEAR_MAX};
	size_t skip = strlen(prefix);
	for (const struct command_group *const *group = command_groups; *group; group++) {
		for (const struct command *row = (*group)->commands; row->path; row++) {
			if (row->hidden || strncmp(row->path, prefix, skip) != 0 ||
			    (skip && row->path[skip] != ' '))
				continue;
			const char *next = row->path + skip + (skip ? 1 : 0);
			consider(&nearest, next, strcspn(next, " "), word);
		}
	}
	return nearest.word ? memory_strndup(nearest.word, nearest.length) : NULL;
}

const char *command_suggest_option(const struct command *command, const char *word)
{
	struct nearest nearest = {.distance = NEAR_MAX};
	const struct option_row *const lists[] = {command->options, command_global_options};
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (const struct option_row *row = lists[i]; row && row->name; row++)
			consider(&nearest, row->name, strlen(row->name), word);
	return nearest.word;
}

enum word_kind command_word_kind(const struct command *command, int index)
{
	return command->words[index < WORD_KINDS ? index : WORD_KINDS - 1];
}
