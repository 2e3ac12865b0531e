package strictyaml

import "strings"

// nearest gives the name that a mistyped one most likely stands for: at most two letters off, and not more than
// half of them. Case does not count.
func nearest(typed string, names []string) (string, bool) {
	best, found := 3, ""
	for _, name := range names {
		if len(typed) > len(name)+2 || len(name) > len(typed)+2 {
			continue // also keeps an absurdly long key from costing time
		}
		if d := distance(strings.ToLower(typed), strings.ToLower(name)); d < best && d <= len(name)/2 {
			best, found = d, name
		}
	}
	return found, found != ""
}

// distance counts the letters to insert, delete or replace to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
