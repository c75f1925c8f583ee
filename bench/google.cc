/* SPDX-License-Identifier: MIT */
/*
 * What:  the second front of the workloads: each row is a benchmark of Google
 *        Benchmark, whose flags, repetitions and JSON work as its users know
 *        them (--benchmark_filter=, --benchmark_repetitions=,
 *        --benchmark_format=json ...). `make bench-google` builds it.
 * Door:  google [--scale=F] [FLAGS OF GOOGLE BENCHMARK]
 * Invariant: an iteration is an operation of the row, and the row's whole work
 *        (times F) is done at least once, by the harness's own threads. So
 *        Time is wall time and CPU that of the whole process, per operation;
 *        set-up and tear-down are not measured.
 *        peak_MiB and after_MiB are the resident size of this process, in
 *        which earlier benchmarks may have left something: to compare sizes,
 *        run a row in a process of its own (rows, or a filter).
 * See:   harness.h; rows.c for the runner's front
 */
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

#include "harness.h"

namespace {

double scale = 1;

/* Lets the kernel's peak begin anew. */
void forget_peak()
{
	if (FILE *f = std::fopen("/proc/self/clear_refs", "w")) {
		std::fputc('5', f);
		std::fclose(f);
	}
}

void measure(benchmark::State &state, const struct work *w, int threads)
{
	struct run r;
	double ops = w->ops * scale;
	long batch = ops < 1 ? 1 : static_cast<long>(ops + 0.5);

	forget_peak();
	run_setup(&r, w, threads);
	while (state.KeepRunningBatch(batch))
		run_step(&r, batch);
	long peak = peak_kib(), full = resident_kib();
	run_teardown(&r);
	state.SetItemsProcessed(state.iterations());
	state.counters["peak_MiB"] = (peak > full ? peak : full) / 1024.0;
	state.counters["after_MiB"] = resident_kib() / 1024.0;
	benchmark::DoNotOptimize(run_checksum(&r));
}

void add_row(const struct work *w, int threads, void *)
{
	std::string name = std::string(w->name) + "/" + std::to_string(threads);

	benchmark::RegisterBenchmark(name.c_str(), measure, w, threads)
		->UseRealTime()
		->MeasureProcessCPUTime();
}

/* Takes --scale=F out of the arguments. */
bool take_scale(int *argc, char **argv)
{
	static const char option[] = "--scale=";
	int kept = 1;

	for (int i = 1; i < *argc; i++) {
		if (std::strncmp(argv[i], option, sizeof(option) - 1)) {
			argv[kept++] = argv[i];
			continue;
		}
		const char *text = argv[i] + sizeof(option) - 1;
		char *end;

		scale = std::strtod(text, &end);
		if (*end || end == text || !(scale > 0 && scale < 1e6)) {
			std::fprintf(stderr, "google: --scale '%s': that is no "
				     "number above 0\n", text);
			return false;
		}
	}
	*argc = kept;
	return true;
}

} // namespace

int main(int argc, char **argv)
{
	bench_name = "google";
	if (!take_scale(&argc, argv))
		return 2;
	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv))
		return 2;
	benchmark::AddCustomContext("malloc", malloc_owner());
	row_each(add_row, nullptr);
	if (!benchmark::RunSpecifiedBenchmarks())
		return 1;
	benchmark::Shutdown();
	std::cout.flush();
	if (!std::cout) {
		std::fprintf(stderr, "google: cannot write\n");
		return 1;
	}
	return 0;
}
