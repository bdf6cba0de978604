/* See input.h. */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/memory.h"
#include "lib/strbuf.h"
#include "lib/yaml_text.h"

char *input_read_text(int fd, struct error **error)
{
	cleanup_strbuf struct strbuf text = {0};
	char chunk[8192];
	for (;;) {
		ssize_t count = read(fd, chunk, sizeof(chunk));
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0) {
			error_errno(error, errno, "reading the input");
			return NULL;
		}
		if (count == 0)
			return strbuf_steal(&text);
		strbuf_append_bytes(&text, chunk, (size_t)count);
	}
}

json_t *input_read_yaml(int fd, struct error **error)
{
	cleanup_free char *text = input_read_text(fd, error);
	return text ? yaml_to_json(text, error) : NULL;
}

json_t *input_read_configuration(struct error **error)
{
	struct stat status;
	if (fstat(STDIN_FILENO, &status) < 0 || !S_ISREG(status.st_mode) ||
	    lseek(STDIN_FILENO, 0, SEEK_CUR) != 0)
		return json_object();
	json_t *given = input_read_yaml(STDIN_FILENO, error);
	if (!given || json_is_object(given))
		return given;
	bool empty = json_is_null(given);
	json_decref(given);
	if (empty)
		return json_object();
	error_set(error, ERROR_INVALID, "the YAML on standard input is not a mapping");
	return NULL;
}

static const char *editor(void)
{
	const char *names[] = {getenv("VISUAL"), getenv("EDITOR")};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i] && *names[i])
			return names[i];
	return "vi";
}

/* $EDITOR may hold arguments ("code --wait"), so a shell takes it apart. */
static int run_editor(const char *path, struct error **error)
{
	const char *name = editor();
	cleanup_free char *line = memory_printf("%s \"$1\"", name);
	pid_t child = fork();
	if (child < 0)
		return error_errno(error, errno, "starting %s", name);
	if (child == 0) {
		execl("/bin/sh", "sh", "-c", line, "sh", path, (char *)NULL);
		_exit(127);
	}
	/* Keys such as Ctrl-C in the editor are meant for it. */
	void (*interrupt)(int) = signal(SIGINT, SIG_IGN);
	void (*quit)(int) = signal(SIGQUIT, SIG_IGN);
	int status = 0;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	signal(SIGINT, interrupt);
	signal(SIGQUIT, quit);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return error_set(error, ERROR_CANCELLED,
				 "the editor %s failed; nothing was changed", name);
	return 0;
}

static int write_and_edit(int fd, const char *path, const char *text, struct error **error)
{
	if (file_write_all(fd, text, strlen(text)) < 0)
		return error_errno(error, errno, "writing %s", path);
	return run_editor(path, error);
}

char *input_edit(const char *text, struct error **error)
{
	const char *directory = getenv("TMPDIR");
	cleanup_free char *path =
		memory_printf("%s/sysct-XXXXXX.yaml", directory && *directory ? directory : "/tmp");
	cleanup_close int fd = mkostemps(path, 5, O_CLOEXEC);
	if (fd < 0) {
		error_errno(error, errno, "creating %s", path);
		return NULL;
	}
	/* Editors replace the file as often as they rewrite it: read it by its name. */
	char *changed = NULL;
	if (write_and_edit(fd, path, text, error) == 0)
		changed = file_read_at(AT_FDCWD, path, NULL, error);
	unlink(path);
	return changed;
}

bool input_confirm(const char *question)
{
	char line[64];
	fprintf(stderr, "%s ", question);
	if (!fgets(line, sizeof(line), stdin))
		return false;
	return line[0] == '\n' || line[0] == 'y' || line[0] == 'Y';
}
