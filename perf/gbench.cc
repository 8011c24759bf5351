// SPDX-License-Identifier: MIT
#include "perf/gbench.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

static bool has_failed;

static benchmark::State &
state(struct torc_bench *b)
{
	return *reinterpret_cast<benchmark::State *>(b);
}

static const benchmark::State &
state(const struct torc_bench *b)
{
	return *reinterpret_cast<const benchmark::State *>(b);
}

bool
torc_bench_next(struct torc_bench *b)
{
	return state(b).KeepRunning();
}

bool
torc_bench_next_many(struct torc_bench *b, int64_t count)
{
	return state(b).KeepRunningBatch(count);
}

void
torc_bench_pause(struct torc_bench *b)
{
	state(b).PauseTiming();
}

void
torc_bench_resume(struct torc_bench *b)
{
	state(b).ResumeTiming();
}

int64_t
torc_bench_arg(const struct torc_bench *b)
{
	return state(b).range(0);
}

int64_t
torc_bench_passes(const struct torc_bench *b)
{
	return static_cast<int64_t>(state(b).iterations());
}

void
torc_bench_note(struct torc_bench *b, const char *name, double value)
{
	state(b).counters[name] = value;
}

void
torc_bench_fail(struct torc_bench *b, const char *why)
{
	has_failed = true;
	std::fprintf(stderr, "a case failed: %s\n", why);
	state(b).SkipWithError(why);
}

void
torc_bench_add(const char *name, torc_bench_fn *fn, const int64_t *args)
{
	auto *bench =
		benchmark::RegisterBenchmark(name, [fn](benchmark::State &s) {
			fn(reinterpret_cast<struct torc_bench *>(&s));
		});

	for (; *args >= 0; args++)
		bench->Arg(*args);
}

static double
median_of(std::vector<double> values)
{
	size_t half = values.size() / 2;

	std::sort(values.begin(), values.end());
	if (values.size() % 2 == 1)
		return values[half];
	return (values[half - 1] + values[half]) / 2;
}

// The median of how far each value lies from the median.
static double
mad_of(const std::vector<double> &values)
{
	double median = median_of(values);
	std::vector<double> distances;

	for (double value : values)
		distances.push_back(std::fabs(value - median));
	return median_of(distances);
}

// One line for each case over its repetitions, in the order of the sources:
// the library brings them as they end, and they may run interleaved.
class Lines : public benchmark::BenchmarkReporter
{
      public:
	bool ReportContext(const Context &context) override
	{
		PrintBasicContext(&GetErrorStream(), context);
		return true;
	}

	void ReportRuns(const std::vector<Run> &runs) override
	{
		// An aggregate of the library's; we have our own.
		if (runs.at(0).run_type != Run::RT_Aggregate)
			cases.push_back(runs);
	}

	void Finalize() override
	{
		std::sort(cases.begin(), cases.end(),
			[](const Runs &a, const Runs &b) {
				return place(a) < place(b);
			});
		std::printf("%-42s %10s %8s %10s %10s\n", "ns of CPU per pass",
			"median", "MAD", "least", "wall");
		for (const Runs &runs : cases)
			print(runs);
	}

      private:
	using Runs = std::vector<Run>;

	static std::pair<int64_t, int64_t> place(const Runs &runs)
	{
		return { runs[0].family_index,
			runs[0].per_family_instance_index };
	}

	static void print(const Runs &runs)
	{
		std::string name = runs[0].benchmark_name();
		std::vector<double> cpu, wall;

		for (const Run &run : runs) {
			if (run.iterations == 0)
				continue;
			cpu.push_back(run.GetAdjustedCPUTime());
			wall.push_back(run.GetAdjustedRealTime());
		}
		if (cpu.empty()) {
			std::printf("%-42s failed\n", name.c_str());
			return;
		}
		std::printf("%-42s %10.2f %8.2f %10.2f %10.2f", name.c_str(),
			median_of(cpu), mad_of(cpu),
			*std::min_element(cpu.begin(), cpu.end()),
			median_of(wall));
		for (const auto &counter : runs[0].counters)
			std::printf("  %s=%.6g", counter.first.c_str(),
				counter.second.value);
		std::printf("\n");
	}

	std::vector<Runs> cases;
};

int
main(int argc, char **argv)
{
	Lines lines;

	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv))
		return 2;
	benchmark::RunSpecifiedBenchmarks(&lines);
	benchmark::Shutdown();
	return has_failed;
}
