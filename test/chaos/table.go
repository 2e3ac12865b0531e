package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// shown is how many violations of a promise are told in full.
const shown = 5

// String is the table by fault, what was violated, and a last line "N passed, M failed" that counts the promises.
func (r *Report) String() string {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "fault\tsent\taccepted\tstored\tspooled\tduplicates\tlost\treordered\tsends\tsent ok\t")
	var all row
	for _, fault := range slices.Sorted(maps.Keys(r.rows)) {
		row := r.rows[fault]
		row.write(table, fault)
		all.add(row)
	}
	all.write(table, "all")
	_ = table.Flush() // into memory
	fmt.Fprint(&out, "\nwebhooks were answered with")
	for _, status := range slices.Sorted(maps.Keys(r.answers)) {
		name := fmt.Sprint(status)
		if status == 0 {
			name = "nothing"
		}
		fmt.Fprintf(&out, "  %s: %d", name, r.answers[status])
	}
	fmt.Fprint(&out, "\n\n")
	failed := 0
	for _, promise := range Promises {
		var list []Violation
		for _, v := range r.Violations {
			if v.Promise == promise {
				list = append(list, v)
			}
		}
		if len(list) == 0 {
			fmt.Fprintln(&out, "ok    ", promise)
			continue
		}
		failed++
		fmt.Fprintf(&out, "FAULT  %s: %d times not\n", promise, len(list))
		for _, v := range list[:min(shown, len(list))] {
			fmt.Fprintf(&out, "         %s [%s]\n", v.Detail, v.Fault)
		}
	}
	fmt.Fprintf(&out, "%d passed, %d failed\n", len(Promises)-failed, failed)
	return out.String()
}

// Violated says whether a promise was not kept.
func (r *Report) Violated(promise string) bool {
	return slices.ContainsFunc(r.Violations, func(v Violation) bool { return v.Promise == promise })
}

func (r *row) write(table *tabwriter.Writer, name string) {
	fmt.Fprintf(
		table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name, r.sent, r.accepted, r.stored, r.spooled, r.duplicates,
		r.lost, r.reordered, r.sends, r.sendsSucceeded,
	)
}

func (r *row) add(o *row) {
	r.sent += o.sent
	r.accepted += o.accepted
	r.stored += o.stored
	r.spooled += o.spooled
	r.duplicates += o.duplicates
	r.lost += o.lost
	r.reordered += o.reordered
	r.sends += o.sends
	r.sendsSucceeded += o.sendsSucceeded
}
