package rawjson

// IsBuffer reports whether a value looks like a Node.js Buffer after JSON.stringify: {"type":"Buffer","data":[…]}.
func IsBuffer(value []byte) bool {
	return len(value) > 0 && value[0] == '{' && Text(First(value, "type")) == "Buffer"
}

// Buffer returns the bytes of a Node.js Buffer after JSON.stringify. ok is false for any other value, and if the data
// is not a list of bytes. The result has at most half as many bytes as the value.
func Buffer(value []byte) (data []byte, ok bool) {
	if !IsBuffer(value) {
		return nil, false
	}
	fields, err := FieldsOf(value)
	if err != nil {
		return nil, false
	}
	return byteList(fields.Get("data"))
}

// byteList reads a list of whole numbers from 0 to 255. list must be valid JSON.
func byteList(list []byte) ([]byte, bool) {
	if len(list) == 0 || list[0] != '[' {
		return nil, false
	}
	data := make([]byte, 0, len(list)/2)
	for i := skipSpace(list, 1); list[i] != ']'; i = skipSpace(list, i) {
		if list[i] == ',' {
			i = skipSpace(list, i+1)
		}
		end, n := skipDigits(list, i), 0
		for _, digit := range list[i:min(end, i+len("255"))] {
			n = 10*n + int(digit-'0')
		}
		if next := list[skipSpace(list, end)]; end == i || end > i+len("255") || n > 255 || next != ',' && next != ']' {
			return nil, false
		}
		data, i = append(data, byte(n)), end
	}
	return data, true
}
