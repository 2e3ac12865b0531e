# Sums up the output of go test -v: what failed, a line for each platform, and in the end how many checks there were. A
# check is a test that has none below it; one that has fails by itself if none below it does. A check that is skipped,
# which says why, is counted apart; a platform that is skipped as a whole has failed.

/^ *--- (PASS|FAIL|SKIP): / {
	sub(/^ */, "")
	status = $2; name = $3
	sub(/:$/, "", status)
	result[name] = status
	order[++count] = name
	for (whole = name; match(whole, /\/[^\/]*$/); whole = above) {
		above = substr(whole, 1, RSTART - 1)
		parent[above] = 1
		if (status == "FAIL") unsound[above] = 1
	}
}

# What go test says of a package that cannot be built, or whose process has died.
/^(panic:|fatal error:|# )|\[(build|setup) failed\]$/ { broken[++damage] = $0 }

END {
	total = wrong = left = 0
	for (i = 1; i <= count; i++) {
		name = order[i]
		if (name in parent && (result[name] != "FAIL" || name in unsound)) continue
		platform = name; sub(/\/.*/, "", platform)
		if (!(platform in passed)) { platforms[++known] = platform; passed[platform] = failed[platform] = skipped[platform] = 0 }
		if (result[name] == "PASS") { passed[platform]++; total++ }
		else if (result[name] == "SKIP" && name != platform) { skipped[platform]++; left++; print "SKIP  " name }
		else { failed[platform]++; wrong++; print result[name] "  " name }
	}
	for (i = 1; i <= damage; i++) { print broken[i]; wrong++ }
	if (count == 0) { print "no platform was found"; wrong++ }
	for (i = 1; i <= known; i++) printf "%-32s %4d passed, %d failed, %d skipped\n", platforms[i], passed[platforms[i]], failed[platforms[i]], skipped[platforms[i]]
	printf "%d passed, %d failed, %d skipped\n", total, wrong, left
	exit wrong > 0
}
