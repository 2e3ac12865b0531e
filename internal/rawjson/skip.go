package rawjson

// skip finds the end of a value that has been checked before, with positions as those of scan. Of what
// is not valid it only promises to come to an end. Strings are checked again, which costs nothing.
func skip(data []byte, i int) int {
	if i >= len(data) {
		return ^i
	}
	switch data[i] {
	case '"':
		return scanText(data, i+1)
	case '{', '[':
		return skipNested(data, i)
	}
	start := i
	for i < len(data) && data[i] > ' ' && data[i] != ',' && data[i] != '}' && data[i] != ']' {
		i++
	}
	if i == start {
		return ^i
	}
	return i
}

// skipNested counts brackets of both kinds together: in valid JSON they match.
func skipNested(data []byte, i int) int {
	for depth := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			if i = scanText(data, i+1); i < 0 {
				return i
			}
			i--
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return ^i
}
