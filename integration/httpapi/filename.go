package httpapi

import (
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"
)

// maxFilename bounds the names of files, in bytes. Common file systems do not take longer names.
const maxFilename = 255

// Filename returns a safe file name for a name from outside: without a path of any operating system, on one line, at
// most 255 bytes long. It is empty if nothing is left.
func Filename(text string) string {
	name := path.Base(strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\\", "/"))
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) { // bidi controls can show "exe.jpg" for "gpj.exe"
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
	// script matches the extensions of programs that serve files. They say nothing about the file.
	script = regexp.MustCompile(`(?i)\.(php\d?|aspx?|ashx|jspx?|cgi|do|action)$`)
)

// pathName returns the name of the file in the path of a link. It is empty if the last segment has no extension: such a
// segment is mostly the same for all files, such as "download" or "attachments".
func pathName(path string) string {
	name := Filename(path)
	if !extension.MatchString(name) || script.MatchString(name) {
		return ""
	}
	return name
}

// LinkName returns the file name in the path of a link, unescaped. It is empty if the last segment of the path is not a
// file name.
func LinkName(link string) string {
	u, err := url.Parse(link)
	if err != nil || u.Host == "" {
		return ""
	}
	return pathName(u.Path)
}
