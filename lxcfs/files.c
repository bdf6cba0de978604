#include "lxcfs/files.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lxcfs/formats.h"
#include "lxcfs/values_cpus.h"
#include "lxcfs/values_nodes.h"

/* clang-format off */
#define CPUS "sys/devices/system/cpu/"
#define NODES "sys/devices/system/node/"

/* A file of each processor, or node, that the instance has. */
#define CPU(name, function) {.path = CPUS "cpu*/" name, .write_path = (function), .numbers = cpus_numbers}
#define NODE(name, member, function) {.path = NODES "node*/" name, .member = (function), .numbers = nodes_numbers}

#define CACHE(index) \
	CPU("cache/index" #index "/coherency_line_size", format_copied), \
	CPU("cache/index" #index "/id", format_copied), \
	CPU("cache/index" #index "/level", format_copied), \
	CPU("cache/index" #index "/number_of_sets", format_copied), \
	CPU("cache/index" #index "/physical_line_partition", format_copied), \
	CPU("cache/index" #index "/shared_cpu_list", format_cut_list), \
	CPU("cache/index" #index "/shared_cpu_map", format_cut_mask), \
	CPU("cache/index" #index "/size", format_copied), \
	CPU("cache/index" #index "/type", format_copied), \
	CPU("cache/index" #index "/ways_of_associativity", format_copied)

const struct file files[] = {
	{.path = "proc/cmdline", .write = format_cmdline},
	{.path = "proc/cpuinfo", .write = format_cpuinfo},
	{.path = "proc/diskstats", .write = format_diskstats},
	{.path = "proc/loadavg", .write = format_loadavg},
	{.path = "proc/meminfo", .write = format_meminfo},
	{.path = "proc/partitions", .write = format_partitions},
	{.path = "proc/pressure/cpu", .write = format_pressure_cpu},
	{.path = "proc/pressure/io", .write = format_pressure_io},
	{.path = "proc/pressure/memory", .write = format_pressure_memory},
	{.path = "proc/slabinfo", .write = format_slabinfo},
	{.path = "proc/stat", .write = format_stat},
	{.path = "proc/swaps", .write = format_swaps},
	{.path = "proc/uptime", .write = format_uptime},
	{.path = "proc/vmstat", .write = format_vmstat},
	{.path = "proc/zoneinfo", .write = format_zoneinfo},
	CACHE(0),
	CACHE(1),
	CACHE(2),
	CACHE(3),
	CACHE(4),
	CPU("cpu_capacity", format_copied),
	CPU("cpufreq/base_frequency", format_copied),
	CPU("cpufreq/cpuinfo_max_freq", format_copied),
	CPU("cpufreq/cpuinfo_min_freq", format_copied),
	CPU("cpufreq/scaling_cur_freq", format_copied),
	CPU("cpufreq/scaling_driver", format_copied),
	CPU("cpufreq/scaling_governor", format_copied),
	CPU("online", format_copied),
	CPU("regs/identification/midr_el1", format_copied),
	CPU("regs/identification/revidr_el1", format_copied),
	CPU("topology/cluster_cpus", format_cut_mask),
	CPU("topology/cluster_cpus_list", format_cut_list),
	CPU("topology/cluster_id", format_copied),
	CPU("topology/core_cpus", format_cut_mask),
	CPU("topology/core_cpus_list", format_cut_list),
	CPU("topology/core_id", format_copied),
	CPU("topology/core_siblings", format_cut_mask),
	CPU("topology/core_siblings_list", format_cut_list),
	CPU("topology/die_cpus", format_cut_mask),
	CPU("topology/die_cpus_list", format_cut_list),
	CPU("topology/die_id", format_copied),
	CPU("topology/package_cpus", format_cut_mask),
	CPU("topology/package_cpus_list", format_cut_list),
	CPU("topology/physical_package_id", format_copied),
	CPU("topology/thread_siblings", format_cut_mask),
	CPU("topology/thread_siblings_list", format_cut_list),
	CPU("uevent", format_copied),
	{.path = CPUS "enabled", .write = format_cpu_list},
	{.path = CPUS "isolated", .write_path = format_cut_list},
	{.path = CPUS "kernel_max", .write_path = format_copied},
	{.path = CPUS "modalias", .write_path = format_copied},
	{.path = CPUS "nohz_full", .write_path = format_cut_list},
	{.path = CPUS "offline", .write = format_empty_list},
	{.path = CPUS "online", .write = format_cpu_list},
	{.path = CPUS "possible", .write = format_cpu_list},
	{.path = CPUS "present", .write = format_cpu_list},
	{.path = CPUS "smt/active", .write_path = format_copied},
	{.path = CPUS "smt/control", .write_path = format_copied},
	{.path = CPUS "uevent", .write_path = format_copied},
	{.path = CPUS "vulnerabilities/gather_data_sampling", .write_path = format_copied},
	{.path = CPUS "vulnerabilities/ghostwrite", .write_path = format_copied},
	{.path = CPUS "vulnerabilities/indirect_target_selection", .write_path = format_copied},
	{.path = CPUS "vulnerabilities/itlb_multihit", .write_path = format_copied},
	{.path = CPUS "vulnerabilities/l1tf", .write_path = format_copied},
	{.path = CPUS "vulnerabilities/mds", .write_path = format_copied},
	{.path = CPUS "vulnerabilities/meltdown", .write_path = format_copied},
	{.path = CPUS "vulnerabilities/mmio_stale_data", .write_path = format_copied},
	{.path = CPUS "vulnerabilities/old_microcode", .write_path = format_copied},
	{.path = CPUS "vulnerabilities/reg_file_data_sampling", .write_path = format_copied},
	{.path = CPUS "vulnerabilities/retbleed", .write_path = format_copied},
	{.path = CPUS "vulnerabilities/spec_rstack_overflow", .write_path = format_copied},
	{.path = CPUS "vulnerabilities/spec_store_bypass", .write_path = format_copied},
	{.path = CPUS "vulnerabilities/spectre_v1", .write_path = format_copied},
	{.path = CPUS "vulnerabilities/spectre_v2", .write_path = format_copied},
	{.path = CPUS "vulnerabilities/srbds", .write_path = format_copied},
	{.path = CPUS "vulnerabilities/tsa", .write_path = format_copied},
	{.path = CPUS "vulnerabilities/tsx_async_abort", .write_path = format_copied},
	{.path = CPUS "vulnerabilities/vmscape", .write_path = format_copied},
	{.path = NODES "has_cpu", .write_path = format_node_list},
	{.path = NODES "has_memory", .write_path = format_node_list},
	{.path = NODES "has_normal_memory", .write_path = format_node_list},
	NODE("cpulist", write_path, format_cut_list),
	NODE("cpumap", write_path, format_cut_mask),
	NODE("distance", write, format_node_distance),
	NODE("meminfo", write, format_node_meminfo),
	NODE("numastat", write, format_node_numastat),
	{.path = NODES "online", .write_path = format_node_list},
	{.path = NODES "possible", .write_path = format_node_list},
};
/* clang-format on */
const unsigned files_count = sizeof(files) / sizeof(files[0]);

void file_path(const struct file *file, unsigned number, char path[FILE_MAX_PATH])
{
	const char *star = strchr(file->path, '*');
	if (star)
		snprintf(path, FILE_MAX_PATH, "%.*s%u%s", (int)(star - file->path), file->path,
			 number, star + 1);
	else
		snprintf(path, FILE_MAX_PATH, "%s", file->path);
}

bool file_write(const struct file *file, struct instance *instance, unsigned number,
		struct text *text)
{
	char path[FILE_MAX_PATH];
	if (file->write)
		return file->write(instance, number, text);
	file_path(file, number, path);
	return file->write_path(instance, path, text);
}

bool file_exists(const struct file *file, struct host *host, unsigned number)
{
	char path[FILE_MAX_PATH];
	file_path(file, number, path);
	const char *below = path;
	int directory = host_directory(host, &below);
	return faccessat(directory, below, F_OK, 0) == 0;
}
