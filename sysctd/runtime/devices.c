/*
 * See devices.h. The program is a list of comparisons on struct
 * bpf_cgroup_dev_ctx (linux/bpf.h): access_type holds the device type in its
 * low half and the wanted access in its high half.
 */
#include "devices.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"

enum {
	MAX_INSTRUCTIONS = 1024,
	TYPE = BPF_REG_2,
	ACCESS = BPF_REG_3,
	MAJOR = BPF_REG_4,
	MINOR = BPF_REG_5
};

struct program {
	struct bpf_insn code[MAX_INSTRUCTIONS];
	int length;
};

static void emit(struct program *program, __u8 code, __u8 destination, __u8 source, __s16 offset,
		 __s32 value)
{
	if (program->length < MAX_INSTRUCTIONS)
		program->code[program->length++] =
			(struct bpf_insn){code, destination, source, offset, value};
}

static void emit_load(struct program *program, __u8 destination, size_t offset)
{
	emit(program, BPF_LDX | BPF_MEM | BPF_W, destination, BPF_REG_1, (__s16)offset, 0);
}

static void emit_return(struct program *program, int verdict)
{
	emit(program, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, verdict);
	emit(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void emit_start(struct program *program)
{
	emit_load(program, TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	emit(program, BPF_ALU64 | BPF_MOV | BPF_X, ACCESS, TYPE, 0, 0);
	emit(program, BPF_ALU64 | BPF_AND | BPF_K, TYPE, 0, 0, 0xffff);
	emit(program, BPF_ALU64 | BPF_RSH | BPF_K, ACCESS, 0, 0, 16);
	emit_load(program, MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	emit_load(program, MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
}

static int access_bits(const char *text)
{
	int bits = 0;
	for (; text && *text; text++)
		bits |= *text == 'r'   ? BPF_DEVCG_ACC_READ
			: *text == 'w' ? BPF_DEVCG_ACC_WRITE
			: *text == 'm' ? BPF_DEVCG_ACC_MKNOD
				       : 0;
	return bits;
}

static long long number_or_any(const json_t *rule, const char *key)
{
	const json_t *value = json_object_get(rule, key);
	return value ? json_integer_value(value) : -1;
}

/* "if any of it differs, jump behind the return 1 of this rule" */
static void emit_allow(struct program *program, const json_t *rule)
{
	const char *type = json_string_value(json_object_get(rule, "type"));
	int refused = ~access_bits(json_string_value(json_object_get(rule, "access"))) & 7;
	long long major = number_or_any(rule, "major");
	long long minor = number_or_any(rule, "minor");
	int tests[4], count = 0;
	if (type && (*type == 'c' || *type == 'b')) {
		tests[count++] = program->length;
		emit(program, BPF_JMP | BPF_JNE | BPF_K, TYPE, 0, 0,
		     *type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK);
	}
	if (refused) {
		tests[count++] = program->length;
		emit(program, BPF_JMP | BPF_JSET | BPF_K, ACCESS, 0, 0, refused);
	}
	if (major >= 0) {
		tests[count++] = program->length;
		emit(program, BPF_JMP | BPF_JNE | BPF_K, MAJOR, 0, 0, (__s32)major);
	}
	if (minor >= 0) {
		tests[count++] = program->length;
		emit(program, BPF_JMP | BPF_JNE | BPF_K, MINOR, 0, 0, (__s32)minor);
	}
	emit_return(program, 1);
	for (int i = 0; i < count; i++)
		program->code[tests[i]].off = (__s16)(program->length - tests[i] - 1);
}

static int load(const struct program *program, struct error **error)
{
	union bpf_attr attributes;
	memset(&attributes, 0, sizeof(attributes));
	attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attributes.insns = (__u64)(uintptr_t)program->code;
	attributes.insn_cnt = (__u32)program->length;
	attributes.license = (__u64)(uintptr_t) "GPL";
	int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));
	if (fd < 0)
		error_errno(error, errno, "loading the device rules");
	return fd;
}

int devices_restrict(int cgroup, const json_t *rules, struct error **error)
{
	struct program program = {.length = 0};
	size_t i;
	const json_t *rule;
	emit_start(&program);
	json_array_foreach (rules, i, rule)
		if (json_is_true(json_object_get(rule, "allow")))
			emit_allow(&program, rule);
	emit_return(&program, 0);
	if (program.length >= MAX_INSTRUCTIONS)
		return error_set(error, ERROR_UNSUPPORTED, "too many device rules");
	cleanup_close int fd = load(&program, error);
	if (fd < 0)
		return -1;
	union bpf_attr attributes;
	memset(&attributes, 0, sizeof(attributes));
	attributes.target_fd = (__u32)cgroup;
	attributes.attach_bpf_fd = (__u32)fd;
	attributes.attach_type = BPF_CGROUP_DEVICE;
	attributes.attach_flags = BPF_F_ALLOW_MULTI;
	if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attributes, sizeof(attributes)) < 0)
		return error_errno(error, errno, "attaching the device rules");
	return 0;
}
