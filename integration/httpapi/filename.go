package httpapi

import (
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"
)

// maxFilename bounds, in bytes, the names of files: no file system takes longer ones.
const maxFilename = 255

// Filename makes a name that is safe to use of what somebody calls a file: no path, on any system, on one line, of 255
// bytes at most. It is empty where nothing is left.
func Filename(text string) string {
	name := path.Base(strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\\", "/"))
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) { // which could turn "gpj.exe" round
			return -1
		}
		return r
	}, name))
	if strings.Trim(name, "./") == "" {
		return ""
	}
	if len(name) > maxFilename {
		ext := path.Ext(name)
		if len(ext) > maxFilename/2 {
			ext = ""
		}
		name = strings.ToValidUTF8(name[:maxFilename-len(ext)], "") + ext
	}
	return name
}

var (
	extension = regexp.MustCompile(`\.[A-Za-z0-9]{1,10}$`)
	// script is the extension of what makes files, and of none itself.
	script = regexp.MustCompile(`(?i)\.(php\d?|aspx?|ashx|jspx?|cgi|do|action)$`)
)

// pathName is the name of a file in the path of a link. It is empty where the last part has no extension: it is mostly
// the same for all files then, such as "download" or "attachments".
func pathName(path string) string {
	name := Filename(path)
	if !extension.MatchString(name) || script.MatchString(name) {
		return ""
	}
	return name
}

// LinkName is the name that a link gives to the file behind it, without its escapes and its query; empty where it gives
// none.
func LinkName(link string) string {
	u, err := url.Parse(link)
	if err != nil || u.Host == "" {
		return ""
	}
	return pathName(u.Path)
}
