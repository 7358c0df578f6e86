package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
)

// report prints the table and writes the JSON.
func (b *bench) report(out string) error {
	r := &b.result
	for name, seconds := range r.Seconds {
		r.Median[name] = median(seconds)
	}
	fmt.Printf("\n%d MB, PostgreSQL %d to %d\n\n", r.MB, r.SourceMajor, r.TargetMajor)
	for _, name := range []string{"manual", "copy", "copy+proof", "pgcopydb"} {
		if m, ok := r.Median[name]; ok {
			fmt.Printf("  %-12s %7.1f s  %v\n", name, m, rounded(r.Seconds[name]))
		}
	}
	fmt.Printf("\n  %-26s %8s  %-8s\n", "", "measured", "bar")
	r.ManualOverCopy = b.ratio("manual", "copy", ">=", 2.2)
	r.ProvenOverMan = b.ratio("copy+proof", "manual", "<=", 0.6)
	r.CopyOverPgcopy = b.ratio("copy", "pgcopydb", "<=", 0.8)
	bar("peak memory, MiB", float64(r.PeakRSS)/(1<<20), "<=", 64)
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if out == "" {
		return nil
	}
	return os.WriteFile(out, append(raw, '\n'), 0o644)
}

// ratio prints how two methods compare beside what it should be, and gives 0
// where one of them was not measured.
func (b *bench) ratio(of, to, relation string, want float64) float64 {
	name := fmt.Sprintf("%s / %s", of, to)
	if len(b.result.Seconds[of]) == 0 || len(b.result.Seconds[to]) == 0 {
		fmt.Printf("  %-26s not measured\n", name)
		return 0
	}
	r := medianRatio(b.result.Seconds[of], b.result.Seconds[to])
	bar(name, r, relation, want)
	return r
}

// bar prints one figure beside what it should be.
func bar(name string, measured float64, relation string, want float64) {
	verdict := "met"
	if relation == ">=" && measured < want || relation == "<=" && measured > want {
		verdict = "NOT met"
	}
	fmt.Printf("  %-26s %8.2f  %s %-5v %s\n", name, measured, relation, want, verdict)
}

func rounded(values []float64) []string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = fmt.Sprintf("%.1f", v)
	}
	return words
}

func median(values []float64) float64 {
	sorted := append([]float64(nil), values...)
	sort.Float64s(sorted)
	if len(sorted) == 0 {
		return 0
	}
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// medianRatio compares run by run, so that both share the machine's mood.
func medianRatio(a, b []float64) float64 {
	var ratios []float64
	for i := range min(len(a), len(b)) {
		ratios = append(ratios, a[i]/b[i])
	}
	return median(ratios)
}
