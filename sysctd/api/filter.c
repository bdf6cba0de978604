/*
 * See filter.h. A filter is compiled into a tree, in one pass from the left.
 * The grammar:
 *
 *	filter = term { ("and" | "or") term }
 *	term   = "not" term | "(" filter ")" | clause
 *	clause = name ("eq" | "ne") value | name "=" value
 *
 * A value may itself begin with a parenthesis: LXD's client sends
 * `name eq (^x$|^x.*)`. It reaches to the next blank, but for closing
 * parentheses that it did not open.
 */
#include "api/filter.h"

#include <ctype.h>
#include <regex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "memory.h"

/*
 * glibc's regular expressions recurse over the pattern and multiply its size by
 * its repetitions: patterns are short, and those with {} are compared as text.
 */
enum { VALUE_MAX = 256, DEPTH_MAX = 32 };

enum node_type { NODE_CLAUSE, NODE_NOT, NODE_AND, NODE_OR };

struct filter {
	enum node_type type;
	struct filter *left, *right;
	char *name;
	char *value;
	bool negated; /* ne */
	bool has_pattern;
	regex_t pattern;
};

struct parser {
	const char *text;
	const char *at;
	int depth;
	struct error **error;
};

void filter_free(struct filter *filter)
{
	if (!filter)
		return;
	filter_free(filter->left);
	filter_free(filter->right);
	if (filter->has_pattern)
		regfree(&filter->pattern);
	free(filter->name);
	free(filter->value);
	free(filter);
}

static struct filter *fail(const struct parser *parser, const char *what)
{
	error_set(parser->error, ERROR_INVALID, "broken filter at character %zu: %s",
		  (size_t)(parser->at - parser->text) + 1, what);
	return NULL;
}

static struct filter *join(enum node_type type, struct filter *left, struct filter *right)
{
	struct filter *node = memory_alloc(sizeof(*node));
	node->type = type;
	node->left = left;
	node->right = right;
	return node;
}

static void skip_blanks(struct parser *parser)
{
	while (isspace((unsigned char)*parser->at))
		parser->at++;
}

/* Takes @word if it is the next one. */
static bool accept_word(struct parser *parser, const char *word)
{
	size_t length = strlen(word);
	skip_blanks(parser);
	if (strncasecmp(parser->at, word, length) != 0)
		return false;
	char next = parser->at[length];
	if (next && !isspace((unsigned char)next) && next != '(')
		return false;
	parser->at += length;
	return true;
}

static char *take_name(struct parser *parser)
{
	skip_blanks(parser);
	const char *start = parser->at;
	while (*parser->at && !isspace((unsigned char)*parser->at) &&
	       !strchr("=()\"'", *parser->at))
		parser->at++;
	return parser->at > start ? memory_strndup(start, (size_t)(parser->at - start)) : NULL;
}

static char *take_quoted(struct parser *parser)
{
	char quote = *parser->at;
	const char *start = parser->at + 1;
	const char *end = strchr(start, quote);
	if (!end)
		return NULL;
	parser->at = end + 1;
	return memory_strndup(start, (size_t)(end - start));
}

static char *take_value(struct parser *parser)
{
	skip_blanks(parser);
	const char *start = parser->at;
	if (*start == '"' || *start == '\'')
		return take_quoted(parser);
	int open = 0;
	for (; *parser->at && !isspace((unsigned char)*parser->at); parser->at++) {
		if (*parser->at == '(')
			open++;
		if (*parser->at == ')' && open-- == 0)
			break;
	}
	return parser->at > start ? memory_strndup(start, (size_t)(parser->at - start)) : NULL;
}

static void compile_pattern(struct filter *clause)
{
	if (strchr(clause->value, '{') || strlen(clause->value) > VALUE_MAX)
		return;
	bool anchored = strpbrk(clause->value, "^$");
	cleanup_free char *text =
		anchored ? memory_strdup(clause->value) : memory_printf("^(%s)$", clause->value);
	clause->has_pattern =
		regcomp(&clause->pattern, text, REG_EXTENDED | REG_ICASE | REG_NOSUB) == 0;
}

static struct filter *parse_clause(struct parser *parser)
{
	cleanup_free char *name = take_name(parser);
	if (!name)
		return fail(parser, "the name of a field is missing");
	bool negated = false;
	skip_blanks(parser);
	if (*parser->at == '=')
		parser->at++;
	else if (accept_word(parser, "ne"))
		negated = true;
	else if (!accept_word(parser, "eq"))
		return fail(parser, "eq or ne is missing");
	char *value = take_value(parser);
	if (!value)
		return fail(parser, "the value is missing");
	struct filter *clause = join(NODE_CLAUSE, NULL, NULL);
	clause->name = steal_pointer(&name);
	clause->value = value;
	clause->negated = negated;
	compile_pattern(clause);
	return clause;
}

static struct filter *parse_terms(struct parser *parser);

static struct filter *parse_group(struct parser *parser)
{
	struct filter *inner = parse_terms(parser);
	if (!inner)
		return NULL;
	skip_blanks(parser);
	if (*parser->at != ')') {
		filter_free(inner);
		return fail(parser, "a closing parenthesis is missing");
	}
	parser->at++;
	return inner;
}

static struct filter *parse_term(struct parser *parser)
{
	if (parser->depth == DEPTH_MAX)
		return fail(parser, "it is nested too deeply");
	parser->depth++;
	struct filter *term;
	skip_blanks(parser);
	if (*parser->at == '(') {
		parser->at++;
		term = parse_group(parser);
	} else if (accept_word(parser, "not")) {
		term = parse_term(parser);
		term = term ? join(NODE_NOT, term, NULL) : NULL;
	} else {
		term = parse_clause(parser);
	}
	parser->depth--;
	return term;
}

enum { TERMS_MAX = 64 };

static struct filter *parse_terms(struct parser *parser)
{
	struct filter *left = parse_term(parser);
	for (int count = 1; left; count++) {
		enum node_type type;
		if (accept_word(parser, "and"))
			type = NODE_AND;
		else if (accept_word(parser, "or"))
			type = NODE_OR;
		else
			return left;
		struct filter *right = count < TERMS_MAX ? parse_term(parser)
							 : fail(parser, "it has too many clauses");
		if (!right) {
			filter_free(left);
			return NULL;
		}
		left = join(type, left, right);
	}
	return NULL;
}

int filter_compile(const char *text, struct filter **filter, struct error **error)
{
	struct parser parser = {.text = text, .at = text, .error = error};
	*filter = NULL;
	if (!text)
		return 0;
	skip_blanks(&parser);
	if (!*parser.at)
		return 0;
	*filter = parse_terms(&parser);
	if (!*filter)
		return -1;
	skip_blanks(&parser);
	if (*parser.at) {
		fail(&parser, "and, or, or the end is expected");
		filter_free(*filter);
		*filter = NULL;
		return -1;
	}
	return 0;
}

/* An object's member by the first @length bytes of a name, in any case if need be. */
static const json_t *member(const json_t *object, const char *name, size_t length, bool any_case)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
		if (strlen(key) == length && (any_case ? strncasecmp(key, name, length) == 0
						       : strncmp(key, name, length) == 0))
			return value;
	}
	return NULL;
}

/* A key may contain dots, so the longest one that leads anywhere wins. */
static const json_t *lookup(const json_t *object, const char *name, bool any_case)
{
	if (!json_is_object(object))
		return NULL;
	for (size_t length = strlen(name); length > 0; length--) {
		if (name[length] && name[length] != '.')
			continue;
		const json_t *value = member(object, name, length, any_case);
		if (value && name[length])
			value = lookup(value, name + length + 1, false);
		if (value)
			return value;
	}
	return NULL;
}

static bool equals(const struct filter *clause, const json_t *value)
{
	char number[32];
	switch (value ? json_typeof(value) : JSON_NULL) {
	case JSON_STRING:
		if (clause->has_pattern)
			return regexec(&clause->pattern, json_string_value(value), 0, NULL, 0) == 0;
		return strcasecmp(json_string_value(value), clause->value) == 0;
	case JSON_TRUE:
		return strcasecmp(clause->value, "true") == 0;
	case JSON_FALSE:
		return strcasecmp(clause->value, "false") == 0;
	case JSON_INTEGER:
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(value));
		return strcmp(number, clause->value) == 0;
	default:
		return false;
	}
}

bool filter_match(const struct filter *filter, const json_t *object)
{
	if (!filter)
		return true;
	switch (filter->type) {
	case NODE_NOT:
		return !filter_match(filter->left, object);
	case NODE_AND:
		return filter_match(filter->left, object) && filter_match(filter->right, object);
	case NODE_OR:
		return filter_match(filter->left, object) || filter_match(filter->right, object);
	case NODE_CLAUSE:
		break;
	}
	return equals(filter, lookup(object, filter->name, true)) != filter->negated;
}
