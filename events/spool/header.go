package spool

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"strconv"
	"time"
)

// A header is written as pairs of name and value, each with its length before it. A name with several values has
// several pairs. JSON would take more time than all the rest of reading an event. Earlier versions wrote JSON objects.
const headerVersion = 1

var errHeader = errors.New("it is cut off")

func encodeHeader(header map[string][]string) []byte {
	size := 1
	for name, values := range header {
		for _, value := range values {
			size += len(name) + len(value) + 2*binary.MaxVarintLen16
		}
	}
	data := append(make([]byte, 0, size), headerVersion)
	for name, values := range header {
		for _, value := range values {
			data = appendText(appendText(data, name), value)
		}
	}
	return data
}

func appendText(data []byte, text string) []byte {
	return append(binary.AppendUvarint(data, uint64(len(text))), text...)
}

// decodeHeader reads a header, and adds HeaderSpooledAt to it.
func decodeHeader(data []byte, at time.Time) (map[string][]string, error) {
	header := make(map[string][]string, 8)
	values := make([]string, 0, 8) // of all names; most names have one
	if len(data) > 0 && data[0] == headerVersion {
		text := string(data[1:])
		for len(text) > 0 {
			var name, value string
			var ok bool
			if name, text, ok = cutText(text); ok {
				value, text, ok = cutText(text)
			}
			if !ok {
				return nil, errHeader
			}
			if before, ok := header[name]; ok {
				header[name] = append(before, value)
				continue
			}
			values = append(values, value)
			header[name] = values[len(values)-1 : len(values) : len(values)]
		}
	} else if err := json.Unmarshal(data, &header); err != nil {
		return nil, err
	}
	if header == nil { // the JSON text was null
		header = map[string][]string{}
	}
	header[HeaderSpooledAt] = []string{strconv.FormatInt(at.UnixMilli(), 10)}
	return header, nil
}

// cutText reads a text that has its length before it.
func cutText(data string) (text, rest string, ok bool) {
	var prefix [binary.MaxVarintLen64]byte
	n, size := binary.Uvarint(prefix[:copy(prefix[:], data)])
	if size <= 0 || n > uint64(len(data)-size) {
		return "", "", false
	}
	end := size + int(n) // #nosec G115 -- within the length of data
	return data[size:end], data[end:], true
}
