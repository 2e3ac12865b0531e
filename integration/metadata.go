package integration

// PutText sets a text of a message's metadata, of a result's, or of an object in it. An empty text is left out.
func PutText(metadata map[string]any, name, text string) {
	if text != "" {
		metadata[name] = text
	}
}

// TextIn returns a text of metadata. It is empty if there is none of that name, or something else than a text.
func TextIn(metadata map[string]any, name string) string {
	text, _ := metadata[name].(string)
	return text
}

// FlagIn says whether metadata has true under that name.
func FlagIn(metadata map[string]any, name string) bool {
	is, _ := metadata[name].(bool)
	return is
}
