/* Names: what is valid, and made-up ones. */
#include <ctype.h>
#include <string.h>
#include <sys/random.h>

#include "cleanup.h"
#include "instance/internal.h"
#include "memory.h"

static bool is_name_character(char c)
{
	return isalnum((unsigned char)c) || c == '-';
}

int instance_check_name(const char *name, struct error **error)
{
	size_t length = strlen(name);
	const char *problem = NULL;
	if (length == 0)
		problem = "it is empty";
	else if (length > 63)
		problem = "it has more than 63 characters";
	else if (!isalpha((unsigned char)name[0]))
		problem = "it must begin with a letter";
	else if (name[length - 1] == '-')
		problem = "it must not end with a hyphen";
	for (size_t i = 0; !problem && i < length; i++)
		if (!is_name_character(name[i]))
			problem = "only letters, digits and hyphens are allowed";
	if (!problem)
		return 0;
	return error_set(error, ERROR_INVALID, "Invalid instance name \"%.70s\": %s", name,
			 problem);
}

static const char *const first[] = {
	"amber", "brave",  "calm",   "clear",  "cosmic", "crisp", "eager", "early",
	"fleet", "fresh",  "gentle", "golden", "grand",	 "happy", "keen",  "lively",
	"lucky", "mellow", "merry",  "neat",   "noble",	 "proud", "quick", "quiet",
	"rapid", "solid",  "sunny",  "swift",  "tidy",	 "vivid", "warm",  "wise"};
static const char *const second[] = {
	"badger", "beaver", "bison", "cobra", "crane", "dingo", "eagle",  "falcon",
	"ferret", "finch",  "gecko", "heron", "ibex",  "koala", "lemur",  "lynx",
	"marten", "moose",  "otter", "owl",   "panda", "perch", "puffin", "raven",
	"robin",  "seal",   "stoat", "swan",  "tapir", "trout", "viper",  "wren"};

char *instance_make_name(struct server *server)
{
	for (int attempt = 0;; attempt++) {
		unsigned char random[4] = {0};
		if (getrandom(random, sizeof(random), 0) < 0)
			random[0] = (unsigned char)attempt;
		/* Numbered once the plain names get scarce. */
		cleanup_free char *number =
			attempt < 8 ? memory_strdup("")
				    : memory_printf("-%u", random[2] * 256u + random[3]);
		char *name = memory_printf("%s-%s%s", first[random[0] % 32], second[random[1] % 32],
					   number);
		struct instance *taken = instance_find(server, name, NULL);
		if (!taken)
			return name;
		instance_unref(taken);
		free(name);
	}
}
